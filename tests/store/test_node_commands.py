"""Node commands: one close per session, read by their node, removed when carried out."""

from datetime import datetime, timedelta
from typing import Any

from shared.domain.closing import EXPIRED, REPLACED
from shared.domain.ids import NodeId, SessionId
from shared.domain.node_command import CommandKind, NodeCommand
from shared.store import Store
from tests.support.builders import NODE, NOON, make_module

OTHER = NodeId("host-b:10090:1")


def make_command(session: str = "session-1", **overrides: Any) -> NodeCommand:
    values: dict[str, Any] = {
        "session": SessionId(session),
        "node": NODE,
        "module_hash": make_module().module_hash,
        "created_at": NOON,
        "closing": EXPIRED,
    }
    return NodeCommand(**values | overrides)


def test_a_node_reads_its_own_commands(store: Store) -> None:
    mine, other = make_command("session-1"), make_command("session-2", node=OTHER)
    store.node_commands.insert([mine, other])
    assert store.node_commands.read(NODE) == [mine]
    assert store.node_commands.read(OTHER) == [other]


def test_writing_nothing_is_fine(store: Store) -> None:
    store.node_commands.insert([])
    store.node_commands.remove([])
    assert store.node_commands.read(NODE) == []


def test_the_first_close_of_a_session_stands(store: Store) -> None:
    store.node_commands.insert([make_command(closing=REPLACED)])
    store.node_commands.insert([make_command(closing=EXPIRED), make_command("session-2")])
    codes = [command.closing.code for command in store.node_commands.read(NODE)]
    assert sorted(codes) == [4010, 4509]


def test_a_command_that_was_carried_out_is_removed(store: Store) -> None:
    done, open_ = make_command("session-1"), make_command("session-2")
    store.node_commands.insert([done, open_])
    store.node_commands.remove([done])
    assert store.node_commands.read(NODE) == [open_]


def test_a_probe_is_answered_once_and_not_read_again(store: Store) -> None:
    probe = make_command(kind=CommandKind.PROBE)
    store.node_commands.insert([probe])
    assert store.node_commands.read_answer(probe) is None
    store.node_commands.answer(probe, alive=True)
    assert store.node_commands.read_answer(probe) is True
    assert store.node_commands.read(NODE) == []


def test_the_answer_to_a_command_that_is_gone_is_none(store: Store, now: datetime) -> None:
    probe = make_command(kind=CommandKind.PROBE)
    store.node_commands.answer(probe, alive=False)
    assert store.node_commands.read_answer(probe) is None


def test_commands_that_no_node_read_are_purged_by_age(store: Store) -> None:
    young = make_command("session-2")
    old = make_command("session-1", created_at=young.created_at - timedelta(minutes=10))
    store.node_commands.insert([old, young])
    before = young.created_at - timedelta(minutes=5)
    assert [store.node_commands.purge(before) for _ in range(2)] == [1, 0]
    assert store.node_commands.read(NODE) == [young]

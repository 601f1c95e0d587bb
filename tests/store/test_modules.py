"""The modules collection: guards and their counts, and the questions asked by index."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.closing import OfflineReason
from shared.domain.ids import NodeId, SessionId
from shared.domain.module import Change, Module, ModuleEntry
from shared.domain.session import SessionEnd, SessionStart
from shared.store import Store
from tests.support.builders import NODE, make_module, make_session

OTHER = NodeId("host-b:10090:1")


def insert(store: Store, name: str = "load-forecast", **overrides: Any) -> Module:
    module = make_module(name=name, **overrides)
    assert store.modules.insert([module]) == [module]
    return module


def start(module: Module, **overrides: Any) -> SessionStart:
    session = {
        k: overrides.pop(k) for k in ("id", "node", "peer", "connected_at") if k in overrides
    }
    values = {
        "module_hash": module.module_hash,
        "session": make_session(**session),
        "epoch_before": module.epoch,
        "epoch": module.epoch + 1,
    }
    return SessionStart(**values | overrides)


def end(module: Module, at: datetime, **overrides: Any) -> SessionEnd:
    values = {
        "module_hash": module.module_hash,
        "session_id": SessionId("session-1"),
        "epoch": module.epoch,
        "reason": OfflineReason.BYE,
        "at": at,
    }
    return SessionEnd(**values | overrides)


def read(store: Store, module: Module) -> Module:
    found = store.modules.get(module.module_hash)
    assert found is not None
    return found


def connect(store: Store, module: Module, **overrides: Any) -> Module:
    assert store.sessions.write([start(module, **overrides)], []) == 1
    return read(store, module)


def test_a_module_is_inserted_once(store: Store) -> None:
    first, late = make_module(module_id=1), make_module(module_id=2)
    other = make_module(name="another", module_id=3)
    assert store.modules.insert([first]) == [first]
    assert store.modules.insert([late, other]) == [other]
    assert store.modules.get(first.module_hash) == first


def test_modules_are_found_by_their_hashes_and_counted(store: Store) -> None:
    modules = [insert(store, name=f"module-{n}", module_id=n) for n in range(60)]
    wanted = [module.module_hash for module in modules[1:]]
    assert {m.module_id for m in store.modules.of_hashes([*wanted, "0" * 64])} == set(range(1, 60))
    assert store.modules.count() == 60


def test_everything_that_was_registered_is_read_back(store: Store, now: datetime) -> None:
    module = insert(
        store,
        description="Tomorrow's load",
        mission_kind="load",
        model_hash="abc",
        data_requirement=[{"table_columns": ["t"], "time_begin": -1}],
        input_data=[1.5],
        output_data={"a": None},
        tags=("pilot", "试点"),
        priority=7,
        enabled=False,
        revision=3,
    )
    assert read(store, module) == module


def test_nobody_is_found_under_an_unknown_hash_or_number(store: Store) -> None:
    assert store.modules.get("0" * 64) is None
    assert store.modules.get_by_module_id(1) is None
    assert store.modules.is_empty()


def test_a_module_is_found_by_its_number(store: Store) -> None:
    module = insert(store, module_id=41)
    assert store.modules.get_by_module_id(41) == module


def test_a_change_is_written_once_per_revision(store: Store, now: datetime) -> None:
    module = insert(store, description="Old")
    later = now + timedelta(hours=1)
    said = {"description": "New", "data_requirement": [1], "mission_kind": "load"}
    difference = {name: {"from": None, "to": value} for name, value in said.items()}
    change = Change(revision=2, at=later, difference=difference)
    assert store.modules.change(module, change)
    assert not store.modules.change(module, change)
    changed = replace(module, **said, revision=2, updated_at=later)
    assert read(store, module) == replace(changed, unrecorded_change=change)
    store.modules.forget_change(module, replace(change, revision=1))
    assert read(store, module).unrecorded_change == change
    store.modules.forget_change(module, change)
    assert read(store, module) == changed


def test_a_session_is_written_while_the_epoch_stands(store: Store, now: datetime) -> None:
    module = insert(store)
    connected = connect(store, module, connected_at=now)
    assert connected.session == make_session(connected_at=now)
    assert (connected.epoch, connected.last_login_time, connected.state_since) == (1, now, now)
    assert store.sessions.write([start(module, id="session-2")], []) == 0
    assert read(store, module) == connected


def test_a_session_of_a_disabled_module_is_not_written(store: Store, now: datetime) -> None:
    module = insert(store)
    assert store.modules.set_enabled(module.module_hash, now, enabled=False)
    assert store.sessions.write([start(module)], []) == 0


def test_a_session_is_ended_by_its_own_id_only(store: Store, now: datetime) -> None:
    module = connect(store, insert(store))
    later = now + timedelta(seconds=1)
    stale = end(module, later, session_id=SessionId("session-0"))
    assert store.sessions.write([], [stale]) == 0
    assert read(store, module) == module
    assert store.sessions.write([], [end(module, later)]) == 1
    ended = read(store, module)
    assert (ended.session, ended.offline_reason, ended.state_since) == (
        None,
        OfflineReason.BYE,
        later,
    )
    assert ended.epoch == module.epoch


def test_a_session_that_was_bound_again_is_spared_by_an_end_for_its_old_node(
    store: Store, now: datetime
) -> None:
    module = connect(store, insert(store), node=OTHER)
    assert store.sessions.write([], [end(module, now, node=NODE)]) == 0
    assert read(store, module) == module


def test_an_end_may_forbid_its_socket_to_be_bound_again(store: Store, now: datetime) -> None:
    module = connect(store, insert(store))
    store.sessions.write([], [end(module, now, raise_epoch=True)])
    assert read(store, module).epoch == module.epoch + 1


def test_only_the_last_takeovers_are_kept(store: Store, now: datetime) -> None:
    module = insert(store)
    for number in range(6):
        at = now + timedelta(seconds=number)
        module = connect(store, module, id=f"session-{number}", connected_at=at, is_takeover=True)
    assert module.takeovers == tuple(now + timedelta(seconds=n) for n in (2, 3, 4, 5))


def test_starts_and_ends_of_one_batch_are_counted_together(store: Store, now: datetime) -> None:
    leaving = connect(store, insert(store, "leaving"))
    coming = insert(store, "coming")
    unknown = make_module(name="unknown")
    starts = [start(coming, id="session-2"), start(unknown)]
    assert store.sessions.write(starts, [end(leaving, now)]) == 2
    assert store.sessions.write([], []) == 0


def test_sessions_are_read_for_the_registered_ones_only(store: Store) -> None:
    module = connect(store, insert(store))
    records = store.sessions.read([module.module_hash, "0" * 64])
    assert list(records) == [module.module_hash]
    record = records[module.module_hash]
    assert (record.session, record.epoch, record.enabled) == (module.session, 1, True)


def test_connected_modules_are_found_by_their_node(store: Store) -> None:
    here = connect(store, insert(store, "here"))
    there = connect(store, insert(store, "there"), node=OTHER)
    insert(store, "offline")
    assert list(store.modules.stream_on_nodes([NODE])) == [here]
    assert list(store.modules.stream_on_nodes([])) == []
    assert {m.name for m in store.modules.connected()} == {"here", "there"}
    assert [r.module_hash for r in store.sessions.of_node(OTHER)] == [there.module_hash]
    [stored] = store.sessions.stored_for(OTHER)
    assert there.session is not None
    assert (stored.module_hash, stored.session_id) == (there.module_hash, there.session.id)
    assert (stored.peer, stored.epoch, stored.enabled) == (there.session.peer, there.epoch, True)


@pytest.mark.parametrize(
    ("known", "orphaned"),
    [
        ([], {"a", "b", "c"}),
        (["a:1:1"], {"b", "c"}),
        (["b:1:1"], {"a", "c"}),
        (["c:1:1", "a:1:1"], {"b"}),
        (["a:1:1", "b:1:1", "c:1:1"], set()),
        (["a:1:10", "z:1:1"], {"a", "b", "c"}),
    ],
)
def test_sessions_whose_node_nobody_knows_are_orphans(
    store: Store, known: list[str], orphaned: set[str]
) -> None:
    insert(store, "offline")
    for name in ("a", "b", "c"):
        connect(store, insert(store, name), node=f"{name}:1:1")
    names = store.modules.names(r.module_hash for r in store.sessions.orphaned(known))
    assert set(names.values()) == orphaned


def test_entries_are_what_modules_are_found_by(store: Store) -> None:
    insert(store, "one", module_id=1)
    two = insert(store, "two", module_id=2, mission_kind="day", tags=("pilot",))
    assert {entry.name for entry in store.modules.entries()} == {"one", "two"}
    (entry,) = store.modules.entries(after=1)
    assert entry == ModuleEntry(
        module_hash=two.module_hash, module_id=2, name="two", mission_kind="day", tags=("pilot",)
    )


def test_taken_numbers_are_those_of_some_module(store: Store) -> None:
    insert(store, "one", module_id=1)
    insert(store, "nine", module_id=9)
    assert store.modules.taken_numbers(range(1, 120)) == {1, 9}


def test_a_module_is_enabled_and_disabled_once(store: Store, now: datetime) -> None:
    module = insert(store)
    assert not store.modules.set_enabled(module.module_hash, now, enabled=True)
    assert store.modules.set_enabled(module.module_hash, now, enabled=False)
    assert not store.modules.set_enabled(module.module_hash, now, enabled=False)
    assert not store.modules.set_enabled("0" * 64, now, enabled=False)


def test_a_module_is_deleted_once(store: Store) -> None:
    module = insert(store)
    assert not store.modules.delete(module.module_hash, epoch=module.epoch + 1)
    assert store.modules.delete(module.module_hash, epoch=module.epoch)
    assert not store.modules.delete(module.module_hash, epoch=module.epoch)

"""The change stream of work names what a node has to look at, and is opened again when it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from shared.clock import utc_now
from shared.domain.delivery import Tried
from shared.domain.ids import MessageId, NodeId
from shared.domain.message import MessageStatus
from shared.settings import Settings
from shared.store import Store, connect
from shared.store.work_changes import WorkChange
from tests.support.builders import NODE, make_message
from tests.support.eventually import eventually, eventually_equal, throughout
from tests.support.wire_proxy import WireProxy, cut
from wsd.work_stream import WorkStream

OTHER = NodeId("host-b:10090:1")
Heard = list[WorkChange | None]


@contextmanager
def listening(
    settings: Settings, read_nodes: Callable[[], list[NodeId]] = lambda: [NODE]
) -> Iterator[tuple[WorkStream, Heard]]:
    heard: Heard = []
    stream = WorkStream(connect(settings), read_nodes, heard.append)
    stream.start()
    try:
        eventually(lambda: stream.is_open)
        yield stream, heard
    finally:
        stream.stop()
        stream._thread.join(10)


def queued(message_id: str) -> WorkChange:
    return WorkChange(id=MessageId(message_id), is_cancel=False)


def test_it_names_what_is_queued_for_this_node_only(settings: Settings, store: Store) -> None:
    with listening(settings) as (_, heard):
        store.messages.insert(
            [
                make_message(id="other", node=OTHER),
                make_message(id="none", node=None),
                make_message(id="a", node=NODE),
            ]
        )
        eventually_equal(lambda: heard, [None, queued("a")])


def test_it_names_what_comes_back_to_this_node_and_what_is_cancelled(
    settings: Settings, store: Store
) -> None:
    store.messages.insert([make_message(id="a", node=OTHER), make_message(id="b", node=OTHER)])
    with listening(settings) as (_, heard):
        store.deliveries.address([MessageId("a")], NODE, utc_now())
        store._database["messages"].update_one(
            {"_id": "b"}, {"$set": {"cancel_requested_at": utc_now()}}
        )
        cancelled = WorkChange(id=MessageId("b"), is_cancel=True)
        eventually_equal(lambda: heard, [None, queued("a"), cancelled])


def test_it_names_what_another_process_gave_up_and_not_what_modules_answer(
    settings: Settings, store: Store
) -> None:
    store.messages.insert([make_message(id=one, node=NODE) for one in ("a", "b", "c")])
    with listening(settings) as (_, heard):
        for message_id, status in (
            ("a", MessageStatus.SUCCEEDED),
            ("b", MessageStatus.TIMED_OUT),
            ("c", MessageStatus.CANCELLED),
        ):
            store.deliveries.finish([MessageId(message_id)], status, utc_now())
        ends = [WorkChange(id=MessageId(one), is_cancel=False, is_end=True) for one in ("b", "c")]
        eventually_equal(lambda: heard, [None, *ends])


def test_it_does_not_wake_for_the_nodes_own_writes(settings: Settings, store: Store) -> None:
    store.messages.insert([make_message(id="a", node=NODE)])
    with listening(settings) as (_, heard):
        update = {"status": "sent", "node": NODE, "push": "p"}
        store._database["messages"].update_one(
            {"_id": "a"}, {"$set": update, "$inc": {"attempt": 1}}
        )
        store.deliveries.acknowledge([Tried(id=MessageId("a"), attempt=1)], utc_now())
        throughout(0.3, lambda: heard == [None])


def test_after_a_rest_it_has_everything_looked_at(settings: Settings, store: Store) -> None:
    with listening(settings) as (stream, heard):
        stream.rest()
        assert not stream.is_open
        store.messages.insert([make_message(id="other", node=OTHER)])  # ends its wait
        eventually_equal(lambda: heard, [None, None])
        assert stream.is_open
        store.messages.insert([make_message(id="a", node=NODE)])
        eventually_equal(lambda: heard[2:], [queued("a")])


def test_it_follows_the_node_to_its_new_id(settings: Settings, store: Store) -> None:
    nodes = [NODE]
    with listening(settings, lambda: list(nodes)) as (_, heard):
        nodes.insert(0, OTHER)
        eventually(lambda: heard == [None, None])
        store.messages.insert([make_message(id="a", node=OTHER), make_message(id="b", node=NODE)])
        eventually_equal(lambda: heard[2:], [queued("a"), queued("b")])


def test_a_stream_that_breaks_is_opened_again_with_a_look_at_everything(
    settings: Settings, store: Store, wire_proxy: WireProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsd.work_stream.FIRST_PAUSE_SECONDS", 0.05)  # doubled at each of the cuts
    with listening(replace(settings, mongodb_host=wire_proxy.uri)) as (_, heard):
        broken = cut("getMore", "aggregate", times=4)
        with wire_proxy.injecting(broken):
            eventually(lambda: broken.met >= 4, 15)
        eventually(lambda: len(heard) > 1 or _is_silent(store, heard), 15)


def _is_silent(store: Store, heard: Heard) -> bool:
    """Insert something; the driver may have opened the stream again by itself, and missed nothing."""
    store.messages.insert([make_message(id=f"m-{utc_now().timestamp()}", node=NODE)])
    return any(change is not None for change in heard)


@pytest.mark.parametrize("node", [[], [NODE]])
def test_it_ends_when_it_is_told(settings: Settings, store: Store, node: list[NodeId]) -> None:
    stream = WorkStream(connect(settings), lambda: node, lambda _: None)
    stream.start()
    stream.stop()
    stream._thread.join(10)
    assert not stream._thread.is_alive()

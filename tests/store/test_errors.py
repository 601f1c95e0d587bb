"""Driver errors: which mean that the database is away, and which writes count as written."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from shared.errors import DatabaseUnavailable
from shared.settings import Settings
from shared.store import Store, connect, unavailable_as_platform_error
from shared.store.errors import AWAY_CODES, insert_new, is_away
from shared.store.indexes import Marker
from tests.support.builders import make_module, make_node
from tests.support.registry import Registry
from tests.support.wire_proxy import (
    NOT_WRITABLE,
    Fault,
    WireProxy,
    cut,
    not_met,
    refusal,
    refused,
    stepped_down,
)


@pytest.fixture
def registry(store: Store, now: datetime) -> Registry:
    return Registry(store=store, now=now)


@pytest.fixture
def far_store(settings: Settings, store: Store, wire_proxy: WireProxy) -> Iterator[Store]:
    """The same database as `store`, seen through the proxy."""
    opened = connect(replace(settings, mongodb_host=wire_proxy.uri))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "fault",
    [
        *stepped_down(),
        not_met(),
        cut(),
        refused(refusal(91, "ShutdownInProgress")),
        refused(refusal(133, "FailedToSatisfyReadPreference")),
        refused(refusal(11602, "InterruptedDueToReplStateChange")),
        refused(refusal(50, "MaxTimeMSExpired")),
        refused(refusal(1, "InternalError")),
        refused(refusal(4711, "SomethingNew") | {"errorLabels": ["RetryableWriteError"]}),
    ],
    ids=lambda fault: (fault.refuse_with or {}).get(
        "codeName", "not met" if fault.change else "cut"
    ),
)
def test_what_may_pass_by_itself_means_that_the_database_is_away(
    far_store: Store, wire_proxy: WireProxy, registry: Registry, fault: Fault
) -> None:
    far_store.ping()
    with (
        wire_proxy.injecting(fault),
        pytest.raises(DatabaseUnavailable),
        unavailable_as_platform_error(),
    ):
        Registry(store=far_store, now=registry.now).register()
        list(far_store.modules.stream())


@pytest.mark.parametrize("code", [2, 13, 18, 26, 40, 11000])
def test_what_will_not_pass_by_itself_is_a_fault_of_ours(
    far_store: Store, wire_proxy: WireProxy, code: int
) -> None:
    with (
        wire_proxy.injecting(refused(refusal(code, "Ours"))),
        pytest.raises(OperationFailure) as raised,
    ):
        far_store.counters.note_registry_change()
    assert not is_away(raised.value)


def test_a_client_that_we_closed_is_a_fault_of_ours(far_store: Store) -> None:
    far_store.close()
    with pytest.raises(InvalidOperation) as raised:
        far_store.ping()
    assert not is_away(raised.value)


@pytest.mark.parametrize(
    ("write_errors", "concern_errors", "away"),
    [
        ([11000], [64], True),  # what is new may be lost
        ([], [64], True),
        ([10107], [], True),
        ([10107, 11000], [], False),
        ([11000], [], False),
        ([2], [64], False),
    ],
)
def test_a_bulk_is_away_when_nothing_else_went_wrong_in_it(
    write_errors: list[int], concern_errors: list[int], away: bool
) -> None:
    error = BulkWriteError(
        {
            "writeErrors": [{"code": code} for code in write_errors],
            "writeConcernErrors": [{"code": code} for code in concern_errors],
        }
    )
    assert is_away(error) is away


def test_errors_without_a_code_are_judged_by_their_kind() -> None:
    assert is_away(AutoReconnect("reset"))
    assert is_away(WTimeoutError("late", 64))
    assert is_away(DatabaseUnavailable())
    assert not is_away(PyMongoError("what"))
    assert not is_away(ValueError("ours"))
    assert all(is_away(OperationFailure("away", code)) for code in AWAY_CODES)


def test_only_new_documents_are_inserted_and_counted(store: Store, plain_client, settings) -> None:
    collection = plain_client[settings.mongodb_name]["heartbeats"]
    assert insert_new(collection, []) == 0
    assert insert_new(collection, [{"_id": "a"}, {"_id": "b"}]) == 2
    assert insert_new(collection, [{"_id": "a"}, {"_id": "c"}]) == 1
    assert insert_new(collection, [{"_id": "a"}, {"_id": "b"}]) == 0


def test_events_whose_write_concern_was_not_met_are_not_recorded(
    far_store: Store, wire_proxy: WireProxy, registry: Registry
) -> None:
    module = registry.register()
    events = registry.store.events.find()
    with wire_proxy.injecting(not_met("insert")), pytest.raises(BulkWriteError) as raised:
        far_store.events.record(events)  # and duplicates beside it do not hide it
    assert is_away(raised.value)
    assert registry.happened(module) == [("registered", None)]


def test_heartbeats_whose_write_concern_was_not_met_are_not_recorded(
    far_store: Store, wire_proxy: WireProxy, now: datetime
) -> None:
    for command in ("update", "insert"):
        with wire_proxy.injecting(not_met(command)), pytest.raises(PyMongoError) as raised:
            far_store.heartbeats.record({now: [f"missing-{command}"]})
        assert is_away(raised.value)


def test_imported_documents_whose_write_concern_was_not_met_are_not_counted(
    far_store: Store, wire_proxy: WireProxy, now: datetime
) -> None:
    with wire_proxy.injecting(not_met("insert")), pytest.raises(BulkWriteError) as raised:
        far_store.dump.insert_missing("heartbeats", [{"_id": "a", "at": now}])
    assert is_away(raised.value)
    assert far_store.dump.insert_missing("heartbeats", [{"_id": "a", "at": now}]) == 0


@pytest.mark.parametrize(
    "write",
    [
        lambda store, now: store.modules.insert([make_module()]),
        lambda store, now: store.modules.set_enabled("a", now, enabled=True),
        lambda store, now: store.modules.delete("a", 1),
        lambda store, now: store.counters.next_module_id(),
        lambda store, now: store.counters.note_registry_change(),
        lambda store, now: store.nodes.enrol(make_node()),
        lambda store, now: store.nodes.renew("a", now, 0),
        lambda store, now: store.nodes.declare_dead("a", 1, now),
        lambda store, now: store.node_commands.purge(now),
        lambda store, now: store.indexes.begin("a", Marker()),
    ],
)
def test_no_write_counts_whose_write_concern_was_not_met(
    far_store: Store, wire_proxy: WireProxy, now: datetime, write
) -> None:
    with wire_proxy.injecting(not_met()), pytest.raises(PyMongoError) as raised:
        write(far_store, now)
    assert is_away(raised.value)


def test_a_primary_that_steps_down_between_two_commands_is_noticed(
    far_store: Store, wire_proxy: WireProxy, registry: Registry
) -> None:
    with (
        wire_proxy.injecting(refused(NOT_WRITABLE, "insert", "update", skip=1)),
        pytest.raises(AutoReconnect),
    ):
        Registry(store=far_store, now=registry.now).register()
    module = Registry(store=far_store, now=registry.now).register()
    assert registry.read(module) == module

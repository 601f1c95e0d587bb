"""Modules' results are recorded once each, wherever a process is killed."""

import pytest

from shared.domain.ids import ExecutionId, MessageId, ModuleHash
from shared.domain.message import MessageStatus
from shared.domain.result import LATE_KEPT, LateResult, ResultStatus
from shared.services.result_recording import ModuleResult, record_results
from shared.store import Store
from tests.support.builders import NOON, make_execution, make_message, make_step_run, make_step_try
from tests.support.killed_store import KilledStore

HASH = ModuleHash("a" * 64)


def said(message_id: str = "a", **overrides: object) -> ModuleResult:
    values = {
        "module_hash": HASH,
        "at": NOON,
        "status": ResultStatus.SUCCESS,
        "message_id": MessageId(message_id),
        "content": "1",
    }
    return ModuleResult(**values | overrides)


def insert(store: Store, *ids: str, **overrides: object) -> None:
    store.messages.insert(
        [
            make_message(id=one, module_hash=HASH, status=MessageStatus.ACKED, **overrides)
            for one in ids
        ]
    )


@pytest.mark.parametrize("calls_survived", range(3))
def test_a_process_killed_anywhere_leaves_the_rest_to_the_same_result_again(
    store: Store, calls_survived: int
) -> None:
    insert(store, "a", "b")
    words = [said("a"), said("b", status=ResultStatus.FAILURE, error="no data")]
    with pytest.raises(KeyboardInterrupt):
        record_results(KilledStore(store, calls_survived), words, NOON)
    record_results(store, words, NOON)
    found = store.results.read([MessageId("a"), MessageId("b")])
    assert {one: result.late for one, result in found.items()} == {"a": (), "b": ()}
    statuses = [store.messages.get(MessageId(one)).status for one in "ab"]
    assert statuses == [MessageStatus.SUCCEEDED, MessageStatus.FAILED]


def test_of_two_results_in_one_batch_the_first_counts(store: Store) -> None:
    insert(store, "a")
    record_results(store, [said(), said(content="2"), said(), said(content="2")], NOON)
    result = store.results.get(MessageId("a"))
    assert result is not None
    assert (result.content, [late.content for late in result.late]) == ("1", ["2"])


def test_a_result_of_an_execution_is_that_of_its_open_message(store: Store) -> None:
    execution = ExecutionId("7-20260301T120000")
    insert(store, f"{execution}.0.1", f"{execution}.0.2", execution_id=execution)
    tries = tuple(make_step_try(message_id=f"{execution}.0.{n}") for n in (1, 2))
    store.executions.insert([make_execution(id=execution, steps=(make_step_run(tries=tries),))])
    store.deliveries.finish([MessageId(f"{execution}.0.2")], MessageStatus.TIMED_OUT, NOON)
    (message,) = record_results(store, [said(message_id=None, execution_id=execution)], NOON)
    assert message is not None
    assert message.id == f"{execution}.0.1"


@pytest.mark.parametrize(
    "word",
    [
        said("a", module_hash="c" * 64),
        said("unknown"),
        said(message_id=None, execution_id="7"),
        said(message_id=None),
    ],
)
def test_what_is_not_the_modules_own_work_is_not_recorded(store: Store, word: ModuleResult) -> None:
    insert(store, "a")
    assert record_results(store, [word], NOON) == [None]
    assert store.results.read([MessageId("a"), MessageId("unknown")]) == {}
    assert store.messages.get(MessageId("a")).status is MessageStatus.ACKED


def test_a_thousand_answers_to_one_message_cost_a_few_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(store, "a")
    writes: list[LateResult] = []
    add_late = store.results.add_late

    def count(message_id: MessageId, late: LateResult) -> None:
        writes.append(late)
        add_late(message_id, late)

    monkeypatch.setattr(store.results, "add_late", count)
    record_results(store, [said(content=str(n)) for n in range(1000)], NOON)
    assert len(writes) <= LATE_KEPT + 1
    result = store.results.get(MessageId("a"))
    assert result is not None
    assert (result.content, [late.content for late in result.late]) == ("0", ["997", "998", "999"])

"""Numbers that are handed out once, also to callers that ask at the same time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from shared.store import Store
from shared.store.counters import UNFINISHED_KEPT


def test_numbers_count_up_from_one(store: Store) -> None:
    assert [store.counters.next_module_id() for _ in range(3)] == [1, 2, 3]


def test_no_number_is_handed_out_twice(store: Store) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        numbers = list(pool.map(lambda _: store.counters.next_module_id(), range(100)))
    assert sorted(numbers) == list(range(1, 101))


def test_workflows_have_numbers_of_their_own(store: Store) -> None:
    store.counters.next_module_id()
    assert [store.counters.next_workflow_id() for _ in range(2)] == [1, 2]


def test_a_counter_is_raised_and_never_lowered(store: Store) -> None:
    store.counters.raise_to("module_id", 10)
    store.counters.raise_to("module_id", 5)
    assert store.counters.next_module_id() == 11


def test_a_change_of_the_registry_is_counted(store: Store) -> None:
    before, _ = store.counters.read()
    store.counters.note_registry_change()
    assert store.counters.read() == (before + 1, 0)


def test_making_the_counters_again_leaves_them_as_they_are(store: Store) -> None:
    store.counters.next_module_id()
    store.counters.ensure()
    assert store.counters.next_module_id() == 2


def test_counters_that_nobody_made_begin_at_zero(store: Store, settings, plain_client) -> None:
    plain_client[settings.mongodb_name]["counters"].drop()
    assert store.counters.read() == (0, 0)
    assert store.counters.next_module_id() == 1


def test_numbers_are_handed_out_in_rows(store: Store, now: datetime) -> None:
    rows = [store.counters.hand_out(["a", "b", "c"], now).first for _ in range(3)]
    assert rows == [1, 4, 7]
    assert store.counters.next_module_id() == 10


def test_a_handout_is_unfinished_until_it_is_finished(store: Store, now: datetime) -> None:
    first = store.counters.hand_out(["a", "b"], now)
    second = store.counters.hand_out(["c"], now)
    assert first.unfinished == ()
    assert second.unfinished == (first.handout,)
    store.counters.finish([first.handout])
    assert store.counters.unfinished() == [second.handout]
    assert (second.handout.hashes, second.handout.at) == (("c",), now)


def test_a_finished_handout_is_a_change_of_the_registry(store: Store, now: datetime) -> None:
    handed_out = store.counters.hand_out(["a"], now)
    changes, _ = store.counters.read()
    store.counters.finish([handed_out.handout])
    assert store.counters.read() == (changes + 1, 1)


def test_only_the_latest_unfinished_handouts_are_kept(store: Store, now: datetime) -> None:
    for number in range(UNFINISHED_KEPT + 5):
        last = store.counters.hand_out([f"module-{number}"], now)
    unfinished = store.counters.unfinished()
    assert len(unfinished) == UNFINISHED_KEPT
    assert unfinished[-1] == last.handout


def test_racing_handouts_share_no_number(store: Store, now: datetime) -> None:
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: store.counters.hand_out(["a", "b"], now).first, range(50)))
    assert sorted(rows) == list(range(1, 101, 2))
    assert len(store.counters.unfinished()) == 50

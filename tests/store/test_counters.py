"""Numbers that are handed out once, to whoever asks at the same time."""

from concurrent.futures import ThreadPoolExecutor

from shared.store import Store


def test_numbers_count_up_from_one(store: Store) -> None:
    assert [store.counters.next_module_id() for _ in range(3)] == [1, 2, 3]


def test_no_number_is_handed_out_twice(store: Store) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        numbers = list(pool.map(lambda _: store.counters.next_module_id(), range(100)))
    assert sorted(numbers) == list(range(1, 101))


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

"""The last epochs of deleted modules: raised, and found by hash."""

from shared.domain.ids import ModuleHash
from shared.store import Store

A, B = ModuleHash("a" * 64), ModuleHash("b" * 64)


def test_an_epoch_is_only_ever_raised(store: Store) -> None:
    store.deleted_modules.note(A, 7)
    store.deleted_modules.note(A, 3)
    assert store.deleted_modules.epochs([A, B]) == {A: 7}


def test_modules_that_were_never_deleted_have_none(store: Store) -> None:
    assert store.deleted_modules.epochs([A]) == {}

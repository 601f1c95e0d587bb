"""Which module a caller means: by hash, name, number, or the beginning of a hash."""

import pytest

from shared.domain.module import Module
from shared.errors import Conflict, NotFound
from shared.services.event_history import EventFilter, read_history
from shared.services.module_directory import ModuleDirectory
from shared.services.module_lookup import find_by_reference, find_hash, find_module
from tests.support.registry import Registry
from tests.support.tampering import remove_module


def test_a_module_is_found_by_its_hash_or_its_number(registry: Registry) -> None:
    module = registry.register()
    assert find_module(registry.store, module_hash=module.module_hash) == module
    assert find_module(registry.store, module_id=module.module_id) == module


def test_a_hash_is_asked_before_a_number(registry: Registry) -> None:
    first, second = registry.register("first"), registry.register("second")
    found = find_module(registry.store, module_hash=second.module_hash, module_id=first.module_id)
    assert found == second


@pytest.mark.parametrize("asked", [{"module_hash": "0" * 64}, {"module_id": 7}, {}])
def test_an_unknown_module_is_not_found(registry: Registry, asked: dict) -> None:
    with pytest.raises(NotFound):
        find_module(registry.store, **asked)


def references_to(module: Module) -> list[str]:
    return [
        module.module_hash,
        module.module_hash.upper(),
        module.module_hash[:8],
        f" {module.module_hash[:20]} ",
        str(module.module_id),
        module.name,
        f"  {module.name}\n",
    ]


def test_a_module_is_found_by_whatever_a_caller_calls_it(registry: Registry) -> None:
    registry.register("another")
    module = registry.register("load-72h")
    found = [find_by_reference(registry.store, text) for text in references_to(module)]
    assert found == [module] * len(found)


def test_a_name_is_found_in_either_form_of_unicode(registry: Registry) -> None:
    module = registry.register("pr\N{LATIN SMALL LETTER E WITH ACUTE}vision")
    assert find_by_reference(registry.store, "pre\N{COMBINING ACUTE ACCENT}vision") == module


def test_names_are_told_apart_by_case(registry: Registry) -> None:
    lower, upper = registry.register("load"), registry.register("LOAD")
    assert find_by_reference(registry.store, "load") == lower
    assert find_by_reference(registry.store, "LOAD") == upper


def test_a_name_of_two_modules_is_refused_and_both_are_listed(registry: Registry) -> None:
    modules = [registry.register("load", mission_kind=kind) for kind in ("", "week")]
    registry.connect(modules[1])
    with pytest.raises(Conflict) as refused:
        find_by_reference(registry.store, "load")
    assert refused.value.message == (
        "'load' may mean any of these modules:\n"
        f"  module_id 1  {modules[0].module_hash[:12]}  load"
        "  (no kind, offline since 2026-03-01 12:00Z)\n"
        f"  module_id 2  {modules[1].module_hash[:12]}  load"
        "  (kind week, online since 2026-03-01 12:00Z)\n"
        "Name one by its hash; `platformctl delete HASH` removes one that is not used any more."
    )


def test_a_name_that_is_the_number_of_another_module_is_refused(registry: Registry) -> None:
    first, second = registry.register("2"), registry.register("load")
    with pytest.raises(Conflict):
        find_by_reference(registry.store, "2")
    assert find_by_reference(registry.store, first.module_hash) == first
    assert find_by_reference(registry.store, "load") == second


def test_a_name_that_is_the_modules_own_number_means_it(registry: Registry) -> None:
    module = registry.register("1")
    assert find_by_reference(registry.store, "1") == module


def test_a_name_that_is_the_beginning_of_another_modules_hash_is_refused(
    registry: Registry,
) -> None:
    module = registry.register("load")
    registry.register(module.module_hash[:8])
    with pytest.raises(Conflict):
        find_by_reference(registry.store, module.module_hash[:8])
    assert find_by_reference(registry.store, module.module_hash[:9]) == module


def test_a_whole_hash_is_taken_at_its_word(registry: Registry) -> None:
    module = registry.register("load")
    registry.register(module.module_hash)
    assert find_by_reference(registry.store, module.module_hash) == module


def test_seven_digits_of_a_hash_are_too_few(registry: Registry) -> None:
    module = registry.register("load")
    with pytest.raises(NotFound):
        find_by_reference(registry.store, module.module_hash[:7])


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("LOAD-72H", "Near it: load-72h."),
        ("load", "Near it: load-72h, load-96h."),
        ("laod-72h", "Near it: load-72h, load-96h."),
        ("wind", None),
        ("", None),
        ("\x00\ud800", None),
        ("9" * 400, None),
    ],
)
def test_what_is_not_found_is_answered_with_what_looks_alike(
    registry: Registry, asked: str, near: str | None
) -> None:
    registry.register("load-72h")
    registry.register("load-96h")
    registry.register("price")
    with pytest.raises(NotFound) as refused:
        find_by_reference(registry.store, asked)
    said = refused.value.message
    assert said.startswith("No module has the name, the module_id or the hash ")
    assert said.endswith(near) if near else "Near it" not in said
    assert len(said) < 400


def test_a_long_list_of_candidates_is_cut(registry: Registry) -> None:
    for number in range(12):
        registry.register("load", mission_kind=f"kind-{number}")
    with pytest.raises(Conflict, match="and 2 more") as refused:
        find_by_reference(registry.store, "load")
    assert len(refused.value.message.splitlines()) == 13


def test_a_deleted_module_is_not_meant_any_more(registry: Registry) -> None:
    directory = ModuleDirectory()
    deleted, other = registry.register("load"), registry.register("load", mission_kind="day")
    with pytest.raises(Conflict):
        find_by_reference(registry.store, "load", directory)
    remove_module(registry.store, deleted.module_hash)
    assert find_by_reference(registry.store, "load", directory) == other
    remove_module(registry.store, other.module_hash)
    with pytest.raises(NotFound):
        find_by_reference(registry.store, "load", directory)


def test_the_hash_is_found_without_the_module(registry: Registry) -> None:
    module = registry.register()
    for text in references_to(module):
        assert find_hash(registry.store, text) == module.module_hash


def test_deleted_modules_whose_hashes_start_alike_are_named(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = registry.register()
    remove_module(registry.store, module.module_hash)
    other = f"{module.module_hash[:8]}{'0' * 56}"
    starting = lambda _: {module.module_hash, other}  # noqa: E731
    monkeypatch.setattr(registry.store.events, "modules_starting_with", starting)
    with pytest.raises(Conflict, match="More than one hash starts with"):
        read_history(registry.store, EventFilter(module=module.module_hash[:8]), registry.now)

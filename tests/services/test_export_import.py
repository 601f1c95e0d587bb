"""Export and import: nothing is lost, nothing that exists is changed, damage is named by its line."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from shared.domain.closing import OfflineReason
from shared.domain.event import module_subject
from shared.domain.module import Module
from shared.errors import Conflict, InvalidData
from shared.services.export_import import export_registry, import_registry
from shared.settings import Settings
from shared.store import Store, connect
from tests.support.builders import NODE, make_step, make_workflow
from tests.support.indexes import create_indexes
from tests.support.registry import Registry


@pytest.fixture
def target(settings: Settings, plain_client) -> Iterator[Store]:
    """An empty registry to import into."""
    name = f"{settings.mongodb_name}_target"
    plain_client.drop_database(name)
    elsewhere = replace(settings, mongodb_name=name)
    store = connect(elsewhere, timeout_ms=10_000, retryWrites=False, w=1)
    create_indexes(store)
    yield store
    store.close()
    plain_client.drop_database(name)


def export(registry: Registry) -> list[bytes]:
    return [line.encode() + b"\n" for line in export_registry(registry.store, registry.now)]


def offline(module: Module, registry: Registry) -> Module:
    """Return a module as it arrives: without the session of the platform that it came from."""
    return replace(
        module,
        session=None,
        offline_reason=OfflineReason.PLATFORM_RESTART,
        state_since=registry.now,
    )


def test_modules_heartbeats_history_and_counters_are_carried(
    registry: Registry, target: Store
) -> None:
    requirement = {"whole": 2**40, "real": 1.0, "none": None, "text": "负荷", "list": [True, -1]}
    module = registry.register(data_requirement=requirement, tags=("pilot",), priority=7)
    registry.store.heartbeats.record({registry.now: [module.module_hash]})
    import_registry(target, export(registry), registry.now)
    assert target.modules.get(module.module_hash) == module
    assert target.heartbeats.get(module.module_hash).heartbeat_at == registry.now
    assert target.events.find() == registry.store.events.find()
    assert target.counters.next_module_id() == 2


def test_workflows_are_carried_and_are_due_from_now_on(registry: Registry, target: Store) -> None:
    workflow = make_workflow(workflow_id=7, next_due_at=registry.now)
    disabled = make_workflow(workflow_id=3, enabled=False)
    for one in (workflow, disabled):
        registry.store.workflows.insert(one)
    later = registry.now + timedelta(days=3)
    import_registry(target, export(registry), later)
    assert target.workflows.get(7) == replace(workflow, next_due_at=workflow.due_after(later))
    assert target.workflows.get(3) == disabled
    assert target.counters.next_workflow_id() == 8
    again = import_registry(target, export(registry), later, merge=True)
    assert (again.added, again.existing) == (0, 2)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"crons": ("0 0 30 2 *",)}, "is never due"),
        ({"crons": ()}, "execute_cron_list must have a cron line"),
        ({"timezone": "Mars/Olympus"}, "is no time zone known here"),
        ({"steps": ()}, "must not be empty"),
        ({"steps": (make_step(after=("nope",)),)}, "names 'nope', which is no step"),
        ({"steps": (make_step(name="a", after=("a",)),)}, "makes a circle"),
        ({"steps": (make_step(), make_step())}, "a second time"),
    ],
)
def test_a_workflow_that_could_not_be_created_is_not_imported(
    registry: Registry, target: Store, overrides: dict[str, Any], problem: str
) -> None:
    registry.store.workflows.insert(make_workflow(**overrides))
    with pytest.raises(InvalidData, match=f"Line 2: .*workflows is damaged: .*{problem}"):
        import_registry(target, export(registry), registry.now)


def test_every_type_survives(registry: Registry, target: Store) -> None:
    registry.register(data_requirement=[1, 1.0, 2**53 + 1, "1", None, True])
    import_registry(target, export(registry), registry.now)
    (module,) = target.modules.stream()
    assert [type(value) for value in module.data_requirement] == [
        type(value) for value in next(registry.store.modules.stream()).data_requirement
    ]


def test_nobody_arrives_online(registry: Registry, target: Store) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    later = registry.now + timedelta(hours=1)
    import_registry(target, export(registry), later)
    stored = target.modules.get(module.module_hash)
    assert stored == replace(offline(module, registry), state_since=later)
    assert target.modules.connected() == []
    assert target.nodes.all() == []
    last = target.events.find(subject=module_subject(module.module_hash))[-1]
    assert (last.what, last.reason) == ("offline", "platform_restart")


def test_a_module_that_was_offline_keeps_its_reason(registry: Registry, target: Store) -> None:
    module = registry.register()
    import_registry(target, export(registry), registry.now + timedelta(hours=1))
    assert target.modules.get(module.module_hash) == module


def test_nodes_and_commands_are_not_carried(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    registry.store.heartbeats.record({registry.now: [module.module_hash]})
    carried = {orjson.loads(line).get("collection") for line in export(registry)}
    assert carried == {None, "modules", "heartbeats", "events", "counters"}


def test_a_registry_that_is_not_empty_is_left_alone(registry: Registry, target: Store) -> None:
    registry.register()
    lines = export(registry)
    here = Registry(store=target, now=registry.now)
    here.register("here")
    with pytest.raises(Conflict, match="--merge"):
        import_registry(target, lines, registry.now)
    assert [module.name for module in target.modules.stream()] == ["here"]


def test_merging_twice_is_as_merging_once(registry: Registry, target: Store) -> None:
    registry.register("one")
    registry.register("two")
    lines = export(registry)
    first = import_registry(target, lines, registry.now, merge=True)
    stored = list(target.modules.stream())
    second = import_registry(target, lines, registry.now, merge=True)
    assert list(target.modules.stream()) == stored
    assert (first.existing, second.added) == (0, 0)
    assert second.existing == first.added
    assert target.counters.next_module_id() == 3


def test_merging_does_not_touch_modules_that_are_online_here(
    registry: Registry, target: Store
) -> None:
    registry.register()
    lines = export(registry)
    here = Registry(store=target, now=registry.now)
    here.enrol()
    module = here.connect(here.register(description="Said here"))
    import_registry(target, lines, registry.now, merge=True)
    assert here.read(module) == module


def test_a_number_that_is_taken_here_is_replaced(registry: Registry, target: Store) -> None:
    there = registry.register("there")
    here = Registry(store=target, now=registry.now).register("here")
    assert there.module_id == here.module_id
    imported = import_registry(target, export(registry), registry.now, merge=True)
    assert imported.renumbered == 1
    numbers = {module.name: module.module_id for module in target.modules.stream()}
    assert numbers == {"here": 1, "there": 2}
    assert target.counters.next_module_id() == 3


def test_counters_are_never_lowered(registry: Registry, target: Store) -> None:
    registry.register()
    target.counters.raise_to("module_id", 100)
    import_registry(target, export(registry), registry.now)
    assert target.counters.next_module_id() == 101


def test_the_marker_of_the_indexes_stays_the_targets_own(registry: Registry, target: Store) -> None:
    registry.store.indexes.begin("killed", registry.store.indexes.read_marker())
    import_registry(target, export(registry), registry.now)
    assert target.indexes.read_marker().builder is None


def test_more_than_a_slice_is_carried(
    registry: Registry, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.services.export_import.SLICE", 3)
    for number in range(10):
        registry.register(f"module-{number}")
    import_registry(target, export(registry), registry.now)
    assert len(list(target.modules.stream())) == 10


def test_an_import_that_was_interrupted_goes_on(
    registry: Registry, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.services.export_import.SLICE", 3)
    for number in range(10):
        registry.register(f"module-{number}")
    lines = export(registry)
    with pytest.raises(InvalidData, match=r"Line 9: the export is cut off here\. 6 documents"):
        import_registry(target, lines[:8], registry.now)
    import_registry(target, lines, registry.now, merge=True)
    assert sorted(m.module_id for m in target.modules.stream()) == list(range(1, 11))


def damage(lines: list[bytes], number: int, line: bytes) -> list[bytes]:
    return [*lines[: number - 1], line, *lines[number:]]


@pytest.mark.parametrize(
    ("number", "line", "problem"),
    [
        (1, b"", "Line 1: this is not extended JSON"),
        (1, b"[]", "Line 1: this is not a JSON object"),
        (1, b'{"format": "tar"}', "Line 1: this is not the export of a forecast platform"),
        (
            1,
            b'{"format": "forecast-platform-export", "version": 2}',
            "Line 1: its format is 2, and this platform reads 1",
        ),
        (2, b'{"collection": "modu', "Line 2: this is not extended JSON"),
        (2, b"\xff\xfe", "Line 2: this is not extended JSON"),
        (2, b"[" * 100_000, "Line 2: this is not extended JSON"),
        (2, b'{"collection": "nodes", "document": {"_id": "x"}}', "'nodes' is unknown"),
        (2, b'{"collection": {}, "document": {"_id": "x"}}', "is unknown"),
        (2, b'{"collection": "events", "document": {"_id": 7}}', "no document with an _id"),
        (2, b'{"collection": "events", "document": []}', "no document with an _id"),
        (2, b'{"collection": "events", "document": {"_id": "x"}}', "it has no field"),
        (2, b'{"collection": "modules", "document": {"_id": "x"}}', "it has no field"),
        (2, b'{"collection": "heartbeats", "document": {"_id": "x", "at": 1}}', "is no time"),
        (2, b'{"collection": "counters", "document": {"_id": "x", "value": ""}}', "whole number"),
        (2, b'{"end": true, "documents": 99}', "Line 2: 99 documents were exported, 0 are here"),
        (2, b'{"collection": "heartbeats", "document": {"_id": "\\ud800"}}', "Line 2: "),
        (2, b'{"a": {"$numberLong": "99999999999999999999"}}', "Line 2: "),
    ],
)
def test_a_damaged_line_is_named_and_nothing_after_it_is_imported(
    registry: Registry, target: Store, number: int, line: bytes, problem: str
) -> None:
    registry.register()
    with pytest.raises(InvalidData) as refused:
        import_registry(target, damage(export(registry), number, line), registry.now)
    assert problem in refused.value.message
    assert refused.value.message.endswith("Nothing was imported.")
    assert target.modules.is_empty()


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", '"other"'), ("name", "7"), ("module_id", '"one"'), ("session", '"session"')],
)
def test_a_module_that_readers_could_not_read_is_refused(
    registry: Registry, target: Store, field: str, value: str
) -> None:
    registry.register()
    lines = export(registry)
    module = orjson.loads(lines[1])
    module["document"][field] = orjson.loads(value)
    with pytest.raises(InvalidData, match="Line 2: the document in modules is damaged"):
        import_registry(target, damage(lines, 2, orjson.dumps(module)), registry.now)
    assert target.modules.is_empty()


def test_an_empty_file_is_refused(target: Store, registry: Registry) -> None:
    with pytest.raises(InvalidData, match=r"Line 1: .* Nothing was imported\."):
        import_registry(target, [], registry.now)


@pytest.mark.parametrize("kept", [1, 2, -1])
def test_a_file_that_was_cut_at_a_line_is_noticed(
    registry: Registry, target: Store, kept: int
) -> None:
    registry.register()
    lines = export(registry)[:kept]
    with pytest.raises(InvalidData, match=f"Line {len(lines) + 1}: the export is cut off here"):
        import_registry(target, lines, registry.now)


def test_something_after_the_end_is_noticed(registry: Registry, target: Store) -> None:
    lines = export(registry)
    with pytest.raises(InvalidData, match=f"Line {len(lines) + 1}: something follows the end"):
        import_registry(target, [*lines, b"{}\n"], registry.now)


def test_the_counters_cover_modules_that_register_during_an_export(
    registry: Registry, target: Store
) -> None:
    registry.register("first")
    lines = export_registry(registry.store, registry.now)
    begun = [next(lines), next(lines)]
    registry.register("during")
    import_registry(target, [line.encode() for line in (*begun, *lines)], registry.now)
    taken = {module.module_id for module in target.modules.stream()}
    assert target.counters.next_module_id() > max(taken)


def test_an_export_reads_as_lines_of_its_own_database_only(registry: Registry) -> None:
    first, *_, last = (orjson.loads(line) for line in export(registry))
    assert first["format"] == "forecast-platform-export"
    assert last["end"] is True
    assert NODE not in str(first)

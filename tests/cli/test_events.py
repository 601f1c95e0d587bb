"""platformctl events."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.parameters import SINCE
from shared.clock import utc_now
from shared.domain.event import execution_ended, workers_were_away, workflow_paused
from shared.domain.execution import ExecutionStatus, MissReason
from shared.services.module_admin import delete_module, expire_modules
from shared.services.nodes import declare_node_dead
from shared.store import Store
from tests.cli.conftest import Run
from tests.support.builders import ACTOR, make_execution, make_workflow
from tests.support.registry import Registry

Json = Callable[..., Any]


def test_events_tell_what_happened_to_whom_and_why(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    expire_modules(registry.store, [module], registry.now + timedelta(seconds=1), ACTOR)
    lines = run("events").stdout.splitlines()
    assert lines[0].split() == ["at", "subject", "id", "what", "reason", "actor", "detail"]
    whats = [line.split()[4:6] for line in lines[1:]]
    assert whats == [["registered", "-"], ["online", "-"], ["offline", "expired_by_operator"]]
    assert all(module.module_hash[:12] in line for line in lines[1:])


def test_events_name_their_actor(registry: Registry, run_json: Json) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    expire_modules(registry.store, [module], registry.now + timedelta(seconds=1), ACTOR)
    actors = [event["actor"] for event in run_json("events", "--module", module.module_hash)]
    assert actors == ["module", "module", ACTOR]


def test_events_tell_of_nodes(registry: Registry, run: Run, run_json: Json) -> None:
    registry.now -= timedelta(minutes=1)
    node = registry.enrol(started_at=registry.now)
    declare_node_dead(registry.store, node, utc_now())
    told = run_json("events")
    assert [(event["what"], event["reason"]) for event in told] == [
        ("enrolled", None),
        ("lost", "node_lost"),
    ]
    assert {(e["subject"]["kind"], e["subject"]["id"], e["actor"]) for e in told} == {
        ("node", node.id, "platform")
    }
    lines = run("events").stdout.splitlines()
    assert [line.split()[2:] for line in lines[1:]] == [
        ["node", node.id, "enrolled", "-", "platform"],
        ["node", node.id, "lost", "node_lost", "platform"],
    ]


def test_events_of_one_module(registry: Registry, run_json: Json) -> None:
    module = registry.register()
    registry.register("another")
    (event,) = run_json("events", "--module", module.module_hash[:10])
    assert event["name"] == "load-forecast"
    assert event["what"] == "registered"
    assert event["at"].endswith("Z")


def test_events_for_one_reason(registry: Registry, run_json: Json) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    expire_modules(registry.store, [module], registry.now, ACTOR)
    (event,) = run_json("events", "--reason", "expired_by_operator")
    assert event["detail"]["peer"] == module.session.peer


def test_events_since(registry: Registry, run_json: Json) -> None:
    registry.now -= timedelta(hours=3)
    registry.register("earlier")
    registry.now += timedelta(hours=2)
    registry.register("later")
    assert [event["name"] for event in run_json("events", "--since", "2h")] == ["later"]
    assert [event["name"] for event in run_json("events")] == ["earlier", "later"]


def test_without_since_one_day_is_shown_or_all_of_one_module(
    registry: Registry, run_json: Json
) -> None:
    registry.now -= timedelta(days=3)
    module = registry.register()
    assert run_json("events") == []
    assert len(run_json("events", "--module", module.module_hash)) == 1


def test_nothing_happened_is_said_on_stderr(run: Run) -> None:
    result = run("events")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("Nothing that matches happened since ")


def test_a_deleted_module_keeps_its_history(registry: Registry, run_json: Json) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    delete_module(registry.store, module.module_hash, registry.now + timedelta(seconds=1), ACTOR)
    events = run_json("events", "--module", module.module_hash[:8])
    whats = [event["what"] for event in events]
    assert whats == ["registered", "online", "deleted"]
    assert {event["name"] for event in events} == {"load-forecast"}


def test_a_module_that_nobody_knows_is_not_found(run: Run) -> None:
    result = run("events", "--module", "load 72h")
    assert result.exit_code == 1
    assert "If it was deleted: platformctl events --name 'load 72h' --since 30d" in result.stderr


def test_what_happened_in_one_millisecond_is_told_in_command(
    registry: Registry, run_json: Json
) -> None:
    registry.enrol()
    module = registry.register()
    for _ in range(11):
        module = registry.connect(module)
    expire_modules(registry.store, [module], registry.now, ACTOR)
    told = [
        (event["detail"]["epoch"], event["what"])
        for event in run_json("events")
        if "epoch" in event["detail"]
    ]
    assert told == [(epoch, what) for epoch in range(1, 12) for what in ("online", "offline")]


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_a_time_may_be_an_age(text: str, age: timedelta) -> None:
    assert abs(utc_now() - age - SINCE.convert(text, None, None)) < timedelta(seconds=5)


def test_a_time_may_be_a_date_with_or_without_a_zone() -> None:
    given = SINCE.convert("2026-11-21T10:00+08:00", None, None)
    assert given == datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
    local = SINCE.convert("2026-11-21", None, None)
    assert local == datetime(2026, 11, 21).astimezone()


@pytest.mark.parametrize("text", ["yesterday", "2x", "-2h", "999999w", "", "0000-01-01"])
def test_what_is_no_time_is_a_usage_error(run: Run, text: str) -> None:
    result = run("events", "--since", text)
    assert result.exit_code == 2
    assert "is neither" in result.stderr


def test_an_unknown_reason_is_a_usage_error_that_names_the_known_ones(run: Run) -> None:
    result = run("events", "--reason", "tired")
    assert result.exit_code == 2
    assert "heartbeat_timeout" in result.stderr


def test_events_tell_of_workflows_and_their_executions(
    store: Store, registry: Registry, run: Run, run_json: Json
) -> None:
    workflow = make_workflow(workflow_id=12, name="load-72h")
    store.workflows.insert(workflow)
    missed = make_execution(
        workflow=workflow, status=ExecutionStatus.MISSED, reason=MissReason.NO_WORKER
    )
    other = make_execution(workflow=make_workflow(workflow_id=120), status=ExecutionStatus.FAILED)
    ended = [execution_ended(execution, registry.now) for execution in (missed, other)]
    paused = workflow_paused(12, missed.id, registry.now + timedelta(seconds=1), "3 failures")
    store.events.record([*filter(None, ended), paused])
    registry.register("12")
    told = run_json("events", "--workflow", "load-72h")
    assert [(e["name"], e["subject"]["kind"], e["what"], e["reason"]) for e in told] == [
        ("load-72h", "execution", "missed", "no_worker"),
        ("load-72h", "workflow", "paused", "failures"),
    ]
    assert len(run_json("events")) == 4
    assert len(run_json("events", "--workflow", "12", "--reason", "no_worker")) == 1
    lines = [line.split()[2:] for line in run("events", "--workflow", "12").stdout.splitlines()]
    assert lines[1] == ["load-72h", missed.id, "missed", "no_worker", "platform"]
    assert lines[2][:5] == ["load-72h", "workflow", "12", "paused", "failures"]


def test_events_tell_when_no_worker_was_running(store: Store, run: Run) -> None:
    now = utc_now()
    store.events.record([workers_were_away(now - timedelta(minutes=2), now, MissReason.NO_WORKER)])
    line = run("events", "--reason", "no_worker").stdout.splitlines()[1]
    assert line.split()[2:6] == ["worker", "all", "away", "no_worker"]
    assert "since=" in line


def test_a_module_and_a_workflow_together_are_a_usage_error(run: Run) -> None:
    assert run("events", "--module", "a", "--workflow", "b").exit_code == 2


def test_events_are_found_by_name_and_by_what_happened(registry: Registry, run_json: Json) -> None:
    registry.enrol()
    registry.connect(registry.register("Load-72h"))
    registry.now += timedelta(seconds=1)
    registry.register("price")
    told = run_json("events", "--name", "load")
    assert [event["what"] for event in told] == ["registered", "online"]
    assert [event["name"] for event in run_json("events", "--what", "registered")] == [
        "Load-72h",
        "price",
    ]


def test_the_last_events_are_shown_oldest_first(registry: Registry, run_json: Json) -> None:
    for number in range(4):
        registry.register(f"module-{number}")
        registry.now += timedelta(seconds=1)
    names = [event["name"] for event in run_json("events", "--limit", "2")]
    assert names == ["module-2", "module-3"]

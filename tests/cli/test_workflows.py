"""platformctl workflow: what operators type, what is stored, and what they are told."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from cli.context import Platform
from cli.parameters import WORKFLOW
from cli.workflows import show
from shared.clock import utc_now
from shared.domain.event import workflow_subject
from shared.domain.execution import ExecutionStatus
from shared.domain.workflow import Workflow
from shared.settings import Settings
from shared.store import Store
from tests.cli.conftest import Run
from tests.support.builders import make_execution
from tests.support.registry import Registry

YAML = """\
name: load-72h
execute_cron_list: ["30 9 * * *"]
steps:
  - module: load
"""
RunJson = Callable[..., Any]


@pytest.fixture(autouse=True)
def _modules(registry: Registry) -> None:
    registry.register("load")
    registry.register("weather")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def write_file(text: str = YAML) -> str:
        file = tmp_path / "workflow.yaml"
        file.write_text(text)
        return str(file)

    return write_file


Write = Callable[..., str]


def only(store: Store) -> Workflow:
    (workflow,) = store.workflows.all()
    return workflow


def test_create_stores_a_workflow_and_says_when_it_fires(
    run: Run, write: Write, store: Store
) -> None:
    result = run("workflow", "create", write())
    assert result.exit_code == 0, result.output
    assert "Created load-72h (workflow_id 1); next 20" in result.stderr
    assert " 09:30:00" in result.stderr
    (event,) = store.events.find(subject=workflow_subject(only(store).workflow_id))
    assert event.actor.startswith("user:")


def test_create_reads_standard_input(run: Run, store: Store) -> None:
    assert run("workflow", "create", "-", answer=YAML).exit_code == 0
    assert only(store).name == "load-72h"


def test_a_question_that_standard_input_cannot_answer_says_how(run: Run, store: Store) -> None:
    run("workflow", "create", "-", answer=YAML)
    result = run("workflow", "create", "-", answer=YAML + "retries: 0")
    assert result.exit_code == 1
    assert "Nothing was changed: without a terminal, --yes is the answer." in result.stderr
    assert only(store).retries == 3


def test_create_tells_file_line_and_field_of_each_problem(run: Run, write: Write) -> None:
    result = run("workflow", "create", write(YAML.replace("30 9", "61 9") + "retries: -1\n"))
    assert result.exit_code == 1
    assert "workflow.yaml:2: execute_cron_list[0] '61 9 * * *' has the minute" in result.stderr
    assert "workflow.yaml:5: retries must be from 0 to 100." in result.stderr


def test_create_names_a_module_that_is_unknown(run: Run, write: Write, store: Store) -> None:
    result = run("workflow", "create", write(YAML.replace("load\n", "laod\n")))
    assert result.exit_code == 1
    assert "workflow.yaml:4: steps[0].module: No module has the name" in result.stderr
    assert store.workflows.all() == []


def test_create_of_an_existing_name_shows_the_difference_and_asks(
    run: Run, write: Write, store: Store
) -> None:
    run("workflow", "create", write())
    changed = write(YAML.replace("30 9", "0 8").replace("load\n", "weather\n    name: load\n"))
    result = run("workflow", "create", changed, answer="n\n")
    assert result.exit_code == 1
    for line in (
        '- ["30 9 * * *"]',
        '+ ["0 8 * * *"]',
        "steps[load].module",
        "- load",
        "+ weather",
    ):
        assert line in result.stderr
    assert only(store).version == 1
    result = run("workflow", "create", changed, answer="y\n")
    assert "Changed load-72h (workflow_id 1) to version 2; next 20" in result.stderr
    assert only(store).crons == ("0 8 * * *",)


def test_create_of_the_same_again_changes_nothing(run: Run, write: Write, store: Store) -> None:
    file = write()
    run("workflow", "create", file)
    result = run("workflow", "create", file)
    assert "is what the file says already" in result.stderr
    assert only(store).version == 1


def test_create_of_a_number_that_exists_is_an_edit_of_it(
    run: Run, write: Write, store: Store
) -> None:
    run("workflow", "create", write())
    result = run(
        "workflow", "create", write(YAML.replace("72h", "96h") + "workflow_id: 1"), "--yes"
    )
    assert result.exit_code == 0
    assert only(store).name == "load-96h"


def test_edit_changes_the_workflow_of_the_files_name(run: Run, write: Write, store: Store) -> None:
    run("workflow", "create", write())
    result = run("workflow", "edit", write(YAML + "retries: 0"), "--yes")
    assert result.exit_code == 0
    assert (only(store).retries, only(store).version) == (0, 2)


def test_edit_gives_a_workflow_another_name(run: Run, write: Write, store: Store) -> None:
    run("workflow", "create", write())
    renamed = write(YAML.replace("72h", "96h"))
    assert run("workflow", "edit", renamed, "--yes").exit_code == 1
    assert run("workflow", "edit", renamed, "--workflow", "load-72h", "--yes").exit_code == 0
    assert only(store).name == "load-96h"


def test_what_show_prints_as_a_file_is_the_same_workflow(
    run: Run, write: Write, store: Store
) -> None:
    run("workflow", "create", write(YAML + "description: Für morgen, 明天\n"))
    printed = run("workflow", "show", "1", "--file").stdout
    assert "module: load\n" in printed
    assert "description: Für morgen, 明天\n" in printed
    assert "is what the file says already" in run("workflow", "edit", write(printed)).stderr


def test_list_tells_what_fires_next(run: Run, run_json: RunJson, write: Write) -> None:
    assert "There is no workflow" in run("workflow", "list").stderr
    run("workflow", "create", write())
    header, row = run("workflow", "list").stdout.splitlines()
    assert header.split()[:4] == ["id", "name", "state", "cron"]
    assert row.split()[:3] == ["1", "load-72h", "active"]
    assert "30 9 * * *" in row
    (item,) = run_json("workflow", "list")
    assert item["punctuality"]["7d"]["finished"] == 0


@pytest.mark.parametrize(
    ("machine", "told", "listed"),
    [
        ("UTC", "09:30:00 (Asia/Shanghai).", "09:30:00+08:00"),
        ("Asia/Shanghai", "09:30:00 (Asia/Shanghai).", "09:30:00  "),
    ],
)
def test_a_time_says_its_zone(
    run: Run, write: Write, in_zone: Callable[[str], None], machine: str, told: str, listed: str
) -> None:
    in_zone(machine)
    assert run("workflow", "create", write()).stderr.strip().endswith(told)
    assert listed in run("workflow", "list").stdout


def test_list_tells_how_often_a_workflow_succeeded_in_a_day_and_a_week(
    run: Run, write: Write, store: Store
) -> None:
    run("workflow", "create", write())
    now = utc_now()
    statuses = {1: ExecutionStatus.SUCCEEDED, 2: ExecutionStatus.FAILED, 50: ExecutionStatus.FAILED}
    store.executions.insert(
        [
            make_execution(
                workflow=only(store),
                due_at=now - timedelta(hours=hours),
                status=status,
                started_at=now - timedelta(hours=hours),
                ended_at=now - timedelta(hours=hours) + timedelta(seconds=90),
            )
            for hours, status in statuses.items()
        ]
    )
    row = run("workflow", "list").stdout.splitlines()[1]
    assert "50% of 2" in row
    assert row.endswith("1 min 30 s  33% of 3")


def test_show_tells_everything_about_one(run: Run, run_json: RunJson, write: Write) -> None:
    run("workflow", "create", write())
    lines = run("workflow", "show", "load-72h").stdout.splitlines()
    rows = {line[:23].strip(): line[23:].strip() for line in lines}
    assert rows["timezone"] == "Asia/Shanghai"
    assert rows["step load"] == "load"
    assert rows["last 7 d"] == "nothing finished"
    assert run_json("workflow", "show", "1")["steps"][0]["module_name"] == "load"
    result = run("workflow", "show", "unknown")
    assert (result.exit_code, "No workflow has" in result.stderr) == (1, True)


def test_show_tells_of_steps_and_figures_in_words(
    run: Run, run_json: RunJson, write: Write, store: Store
) -> None:
    steps = """\
  - {name: price, missionKind: price, after: [load], args: {hours: 72}}
"""
    run(
        "workflow",
        "create",
        write(YAML.replace("module: load", "{name: load, module: load}") + steps),
    )
    now = utc_now()
    succeeded = make_execution(
        workflow=only(store),
        due_at=now - timedelta(hours=1),
        expected_by=now,
        status=ExecutionStatus.SUCCEEDED,
        started_at=now - timedelta(hours=1),
        ended_at=now - timedelta(minutes=59),
    )
    store.executions.insert([succeeded])
    told = run("workflow", "show", "1").stdout
    assert "of the kind price; after load; args {" in told
    assert "1 of 1 succeeded, p50 1 min, p95 1 min, on time 1, late 0, missing 0" in told


def test_pause_keeps_the_note_and_resume_ends_it(run: Run, write: Write, store: Store) -> None:
    run("workflow", "create", write())
    assert run("workflow", "pause", "load-72h", "--note", "holidays").exit_code == 0
    paused = only(store)
    assert paused.pause is not None
    assert paused.pause.note == "holidays"
    assert paused.next_due_at is None
    assert run("workflow", "list").stderr.strip().endswith(": holidays")
    assert ": holidays" in run("workflow", "show", "load-72h").stdout
    assert run("workflow", "pause", "load-72h").exit_code == 1
    result = run("workflow", "resume", "1")
    assert "Resumed load-72h (workflow_id 1); next 20" in result.stderr
    assert only(store).next_due_at is not None


def test_delete_asks(run: Run, write: Write, store: Store) -> None:
    run("workflow", "create", write())
    assert run("workflow", "delete", "1", answer="n\n").exit_code == 1
    assert only(store).workflow_id == 1
    assert run("workflow", "delete", "1", answer="y\n").exit_code == 0
    assert store.workflows.all() == []


def test_run_starts_an_execution_and_prints_its_id(run: Run, write: Write, store: Store) -> None:
    run("workflow", "create", write())
    result = run("workflow", "run", "load-72h")
    assert result.exit_code == 0, result.output
    execution = store.executions.get(result.stdout.strip())
    assert execution is not None
    assert (execution.workflow_id, execution.actor.startswith("user:")) == (1, True)


def test_the_shell_completes_names_of_workflows(
    settings: Settings, store: Store, run: Run, write: Write
) -> None:
    run("workflow", "create", write())
    context = click.Context(show, obj=Platform(settings, store))
    offered = [item.value for item in WORKFLOW.shell_complete(context, show.params[0], "LO")]
    assert offered == ["load-72h"]


def test_a_kind_that_no_module_has_is_warned_of(
    run: Run, write: Write, registry: Registry, store: Store
) -> None:
    registry.register("north", mission_kind="wind")
    of_kind = YAML.replace("module: load", "missionKind: winds")
    result = run("workflow", "create", write(of_kind))
    assert result.exit_code == 0
    warning = "Warning: step winds: No registered module has the missionKind 'winds'."
    assert f"{warning} Near it: wind." in result.stderr
    assert "Warning" not in run("workflow", "edit", write(of_kind[:-2]), "--yes").stderr
    assert only(store).steps[0].mission_kind == "wind"


def test_a_run_that_ends_at_once_says_why_and_fails(
    run: Run, write: Write, registry: Registry, store: Store
) -> None:
    run("workflow", "create", write())
    (module_hash,) = [step.module_hash for step in only(store).steps if step.module_hash]
    store.modules.set_enabled(module_hash, registry.now, enabled=False)
    result = run("workflow", "run", "load-72h")
    assert result.exit_code == 1
    assert result.stderr == "failed: the module load is disabled\n"

"""Executions over HTTP: listed by pages, shown with their steps, explained."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.execution_answers import ExplainedExecution, StepAnswer, TryAnswer
from shared.clock import machine_timezone, utc_now
from shared.domain.execution import Execution, ExecutionStatus, StepStatus
from shared.domain.message import EndReason
from shared.services.registration import register_module
from shared.store import Store
from tests.support.builders import (
    NOON,
    make_execution,
    make_message,
    make_registration,
    make_step,
    make_step_run,
    make_step_try,
    make_workflow,
)

URL = "/workflow/12/executions"


@pytest.fixture
def now() -> datetime:
    return utc_now().replace(microsecond=0)


@pytest.fixture
def executions(store: Store, now: datetime) -> list[Execution]:
    """Five executions of one workflow, an hour apart, newest first; the last one failed."""
    module = register_module(store, make_registration(name="load-72h"), now).module
    workflow = make_workflow(workflow_id=12, steps=(make_step(module_hash=module.module_hash),))
    store.workflows.insert(workflow)
    made = [
        make_execution(workflow=workflow, due_at=now - timedelta(hours=hours)) for hours in range(4)
    ]
    due_at = now - timedelta(hours=4)
    end = due_at + timedelta(seconds=12)
    failure = {"reason": EndReason.MODULE_FAILURE, "error": "no weather data", "ended_at": end}
    a_try = make_step_try(
        message_id="m1",
        module_hash=module.module_hash,
        at=due_at,
        chosen_because="named by the workflow",
        **failure,
    )
    run = make_step_run(status=StepStatus.FAILED, tries=(a_try,), started_at=due_at, **failure)
    made.append(
        make_execution(
            workflow=workflow,
            due_at=due_at,
            status=ExecutionStatus.FAILED,
            reason=EndReason.MODULE_FAILURE,
            steps=(run,),
            started_at=due_at,
            ended_at=end,
        )
    )
    store.executions.insert(made)
    return made


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json
    return [item["execution_id"] for item in answer.json["result"]]


def test_executions_are_listed_newest_first(
    client: FlaskClient, executions: list[Execution]
) -> None:
    answer = client.get(URL)
    assert ids(answer) == [execution.id for execution in executions]
    assert "Link" not in answer.headers


def test_pages_are_linked(client: FlaskClient, executions: list[Execution]) -> None:
    seen, url = [], f"{URL}?limit=2"
    while url:
        answer = client.get(url)
        seen += ids(answer)
        link = answer.headers.get("Link", "")
        url = link.removeprefix("<").partition(">")[0]
    assert seen == [execution.id for execution in executions]


def test_executions_are_filtered(
    client: FlaskClient, executions: list[Execution], now: datetime
) -> None:
    assert ids(client.get(f"{URL}?status=failed")) == [executions[-1].id]
    since = (now - timedelta(minutes=90)).isoformat().replace("+00:00", "Z")
    assert ids(client.get(f"{URL}?since={since}")) == [e.id for e in executions[:2]]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("status=tired", "status"),
        ("since=yesterday", "since"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("after=12-20000101T000000", "after"),
    ],
)
def test_what_is_wrong_is_named(
    client: FlaskClient, executions: list[Execution], query: str, word: str
) -> None:
    answer = client.get(f"{URL}?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert answer.json["message"].startswith(f"{word} ")


@pytest.mark.parametrize(
    "path",
    ["/workflow/99/executions", "/execution/x", "/execution/x/why", "/message/x/why"],
)
def test_what_is_unknown_is_not_found(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "3003")


def test_an_execution_is_shown_with_its_steps_and_why(
    client: FlaskClient, executions: list[Execution]
) -> None:
    item = client.get(f"/execution/{executions[-1].id}").json["result"]
    assert (item["status"], item["duration_seconds"]) == ("failed", 12.0)
    (step,) = item["steps"]
    assert (step["module_name"], step["chosen_because"]) == ("load-72h", "named by the workflow")
    assert step["result"] == "/result/m1"
    sentence = (
        "failed: the module load-72h answered 'no weather data' after 12 s "
        "(attempt 1; a module's own failure is not retried)"
    )
    assert item["why"]["sentence"] == sentence
    told = client.get(f"/execution/{executions[-1].id}/why").json["result"]
    assert told == item["why"]
    assert {fact["what"] for fact in told["evidence"]} >= {"due", "sent to load-72h (try 1)"}


def test_the_documentation_names_every_key(
    client: FlaskClient, executions: list[Execution]
) -> None:
    def documented(schema: Any) -> set[str]:
        return {field.data_key or name for name, field in schema.fields.items()}

    item = client.get(f"/execution/{executions[-1].id}").json["result"]
    (step,) = item["steps"]
    assert item.keys() == documented(ExplainedExecution())
    assert step.keys() == documented(StepAnswer())
    assert step["tries"][0].keys() == documented(TryAnswer())


def test_a_message_is_explained(client: FlaskClient, store: Store) -> None:
    store.messages.insert([make_message(id="m7")])
    told = client.get("/message/m7/why").json["result"]
    assert told["sentence"].startswith("queued: ")
    assert told["timezone"] == machine_timezone(NOON)

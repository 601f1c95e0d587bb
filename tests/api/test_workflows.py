"""Workflows over HTTP: created, listed, shown, refused."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import create_app
from shared.clock import utc_now
from shared.domain.actor import ANONYMOUS
from shared.domain.event import workflow_subject
from shared.services.registration import register_module
from shared.services.workflows import pause_workflow
from shared.settings import Settings
from shared.store import Store
from tests.support.builders import ACTOR, make_registration


@pytest.fixture(autouse=True)
def _modules(store: Store) -> None:
    for name in ("load", "weather"):
        register_module(store, make_registration(name=name), utc_now())


def document(**overrides: Any) -> dict[str, Any]:
    smallest = {"name": "load-72h", "execute_cron_list": ["@daily"], "steps": [{"module": "load"}]}
    return {key: value for key, value in (smallest | overrides).items() if value is not ...}


def create(client: FlaskClient, **overrides: Any) -> Any:
    return client.post("/workflow/create", json=document(**overrides))


def test_a_workflow_is_created_and_shown_with_everything_about_it(
    client: FlaskClient, store: Store
) -> None:
    steps = [
        {"name": "weather", "module": "weather"},
        {"name": "load", "missionKind": "load", "fallback": ["load"], "after": ["weather"]},
    ]
    answer = create(client, steps=steps, timezone="Europe/Berlin", execute_shift_time=90)
    assert answer.status_code == 201
    assert answer.json["result"]["execute_cron_list"] == ["0 0 * * *"]
    shown = client.get("/workflow/1").json["result"]
    assert shown["timezone"] == "Europe/Berlin"
    assert shown["state"] == "active"
    assert [step["module_name"] for step in shown["steps"]] == ["weather", None]
    assert shown["steps"][1]["missionKind"] == "load"
    assert shown["next_due_at"] == answer.json["result"]["next_due_at"]
    assert shown["punctuality"]["24h"]["finished"] == 0
    (event,) = store.events.find(subject=workflow_subject(1))
    assert (event.what, event.actor) == ("created", ANONYMOUS)


def test_a_step_may_take_as_long_as_the_setting_says(settings: Settings, store: Store) -> None:
    client = create_app(replace(settings, execution_timeout_seconds=33.0), store).test_client()
    create(client)
    create(client, timeout_seconds=5)
    found = [workflow.timeout_seconds for workflow in store.workflows.all()]
    assert found == [33.0, 5.0]


def test_the_list_has_every_workflow_by_number(client: FlaskClient) -> None:
    create(client, workflow_id=2)
    create(client, workflow_id=1, enable=False)
    listed = client.get("/workflow/list").json["result"]
    assert [(w["workflow_id"], w["state"]) for w in listed] == [(1, "disabled"), (2, "active")]


def test_nothing_is_listed_when_there_is_nothing(client: FlaskClient) -> None:
    assert client.get("/workflow/list").json["result"] == []
    assert client.get("/scheduler/jobs").json["result"] == []


def test_a_paused_workflow_is_a_job_without_a_next_time(client: FlaskClient, store: Store) -> None:
    create(client)
    pause_workflow(store, 1, "holidays", ACTOR, utc_now())
    (job,) = client.get("/scheduler/jobs").json["result"]
    assert job["next_run_time"] is None
    shown = client.get("/workflow/1").json["result"]
    assert (shown["state"], shown["pause"]["note"]) == ("paused", "holidays")


def test_a_job_with_several_lines_names_all_of_them(client: FlaskClient) -> None:
    create(client, execute_cron_list=["@daily", "30 9 * * 1-5"])
    (job,) = client.get("/scheduler/jobs").json["result"]
    assert job["trigger"] == "or[cron[0 0 * * *], cron[30 9 * * 1-5]]"


@pytest.mark.parametrize("address", ["/workflow/404", "/workflow/0", "/workflow/9007199254740993"])
def test_a_workflow_that_does_not_exist_is_not_found(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json["code"]) == (404, "3003")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"name": ...}, "name is required"),
        ({"execute_cron_list": ["* * * *"]}, "'* * * *' has 4 fields; it must have 5"),
        ({"execute_cron_list": ["0 * * * * *"]}, "has 6 fields; it must have 5"),
        ({"execute_cron_list": ["61 * * * *"]}, "has the minute '61': it must be 0 to 59"),
        ({"execute_cron_list": ["0 0 30 2 *"]}, "is never due"),
        ({"timezone": "Mars/Olympus"}, "is no time zone known here"),
        ({"execute_shift_unit": "w"}, "execute_shift_unit must be one of: s, min, h, D"),
        ({"steps": []}, "steps must not be empty"),
        ({"steps": ...}, "steps is required"),
        ({"steps": [{"module": "load", "args": "x"}]}, "steps[0].args must be a JSON object"),
        ({"steps": [{"module": "load", "after": ["load"]}]}, "makes a circle: 'load' after 'load'"),
        ({"workflow_id": 2**63}, "workflow_id must be from 1"),
        ({"nam": 1}, "nam is not known here; do you mean name?"),
    ],
)
def test_a_bad_workflow_is_refused_by_a_sentence(
    client: FlaskClient, store: Store, overrides: dict[str, Any], words: str
) -> None:
    answer = create(client, **overrides)
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert words in answer.json["message"]
    assert store.workflows.all() == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"name": "a", "name": "b"}', "more than once"),
        (b"[]", "must be a JSON object"),
        (b"", "is not JSON"),
        (b'{"steps": [{"module": "load", "args": {"x": NaN}}]}', "NaN is not a number"),
        (b'{"steps": [{"module": "load", "args": {"x": 1e400}}]}', "no 64-bit float can hold"),
    ],
)
def test_a_body_that_is_no_workflow_is_refused(
    client: FlaskClient, body: bytes, words: str
) -> None:
    answer = client.post("/workflow/create", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert words in answer.json["message"]


def test_an_unknown_module_is_not_found(client: FlaskClient) -> None:
    answer = create(client, steps=[{"module": "wether"}])
    assert (answer.status_code, answer.json["code"]) == (404, "3003")
    assert "steps[0].module: No module has the name" in answer.json["message"]
    assert "Near it: weather." in answer.json["message"]


def test_a_number_that_is_taken_is_a_conflict(client: FlaskClient) -> None:
    create(client, workflow_id=7)
    answer = create(client, workflow_id=7)
    assert (answer.status_code, answer.json["code"]) == (409, "3004")


def test_times_of_a_workflow_are_in_utc(client: FlaskClient) -> None:
    due = create(client).json["result"]["next_due_at"]
    assert due.endswith("T16:00:00Z")  # midnight in Shanghai


def test_the_next_time_of_a_job_is_in_its_own_zone(client: FlaskClient) -> None:
    create(client, timezone="Asia/Tokyo", execute_shift_time=-1, execute_shift_unit="h")
    (job,) = client.get("/scheduler/jobs").json["result"]
    assert job["next_run_time"].endswith("T23:00:00+09:00")


@pytest.mark.parametrize("number", [10**9 + 1, 2**53])
def test_a_chosen_number_leaves_room_for_those_that_are_counted(
    client: FlaskClient, number: int
) -> None:
    answer = create(client, workflow_id=number)
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert answer.json["message"] == "workflow_id must be from 1 to 1000000000."
    assert create(client).json["result"]["workflow_id"] == 1


def test_the_numbers_above_the_highest_chosen_one_can_be_used(client: FlaskClient) -> None:
    create(client, workflow_id=10**9)
    assert create(client).json["result"]["workflow_id"] == 10**9 + 1
    assert client.post("/workflow/1000000001/execute").json["code"] == "2000"


@pytest.mark.parametrize("path", ["/workflow/١", "/workflow/١/execute", "/workflow/１/executions"])
def test_a_number_in_a_path_has_plain_digits(client: FlaskClient, path: str) -> None:
    create(client)
    answer = client.open(path, method="POST" if path.endswith("execute") else "GET")
    assert (answer.status_code, answer.json["code"]) == (404, "3003")

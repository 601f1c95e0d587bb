"""The workflow calls of earlier clients, byte for byte as their scripts send them."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.clock import utc_now
from shared.domain.actor import ANONYMOUS
from shared.domain.module import Module
from shared.services.registration import register_module
from shared.store import Store
from tests.support.builders import make_registration

SUCCESS = {"code": "2000", "message": "成功!"}
# What the scripts' library says of itself; none of it may matter.
HEADERS = {"User-Agent": "Python-urllib/3.9", "Connection": "close", "Accept-Encoding": "identity"}


@pytest.fixture
def load(store: Store) -> Module:
    return register_module(store, make_registration(name="load"), utc_now()).module


def post(client: FlaskClient, path: str, body: bytes) -> Any:
    return client.post(path, data=body, headers=HEADERS, content_type="application/json")


def get(client: FlaskClient, path: str) -> Any:
    return client.get(path, headers=HEADERS)


def succeeds(answer: Any) -> Any:
    assert 200 <= answer.status_code < 300, answer.data
    assert answer.json.keys() == {"code", "message", "result"}
    assert {key: answer.json[key] for key in SUCCESS} == SUCCESS
    return answer.json["result"]


def fails(answer: Any) -> str:
    assert answer.status_code >= 400
    assert answer.json["result"] is None
    return str(answer.json["code"])


def create_body(load: Module) -> bytes:
    words = {
        "workflow_id": 5,
        "name": "\u8d1f\u8377\u9884\u6d4b",
        "description": "every morning",
        "enable": True,
        "execute_cron_list": ["30 9 * * *", "0 12 * * 1-5"],
        "execute_shift_time": -10,
        "execute_shift_unit": "min",
        "execute_modules": [
            {"module_hash": load.module_hash, "args": {"horizon": 72}},
            {"name": "load", "args": {}},
            load.module_hash,
        ],
    }
    return json.dumps(words).encode()  # the characters as \u escapes, as the scripts write them


def test_a_workflow_is_created_with_everything_that_earlier_clients_say(
    client: FlaskClient, load: Module
) -> None:
    result = succeeds(post(client, "/workflow/create", create_body(load)))
    assert {key: result[key] for key in ("id", "workflow_id", "name")} == {
        "id": "5",
        "workflow_id": 5,
        "name": "负荷预测",
    }


def test_a_workflow_is_created_with_as_little_as_they_may_say(
    client: FlaskClient, load: Module
) -> None:
    body = (
        f'{{"name":"a","execute_cron_list":["* * * * *"],"execute_modules":["{load.module_hash}"]}}'
    )
    assert succeeds(post(client, "/workflow/create", body.encode()))["workflow_id"] == 1
    assert succeeds(post(client, "/workflow/create", body.encode()))["workflow_id"] == 2


def test_the_list_has_the_fields_that_it_had(client: FlaskClient, load: Module) -> None:
    post(client, "/workflow/create", create_body(load))
    (listed,) = succeeds(get(client, "/workflow/list"))
    entry = {"module_hash": load.module_hash, "name": "load"}
    had = {
        "id": "5",
        "workflow_id": 5,
        "name": "负荷预测",
        "description": "every morning",
        "enable": True,
        "execute_cron_list": ["30 9 * * *", "0 12 * * 1-5"],
        "execute_shift_time": -10,
        "execute_shift_unit": "min",
        "execute_modules": [
            entry | {"args": {"horizon": 72}},
            entry | {"args": {}},
            entry | {"args": {}},
        ],
    }
    assert {key: listed[key] for key in had} == had


def test_what_the_list_says_of_modules_may_be_sent_again(client: FlaskClient, load: Module) -> None:
    post(client, "/workflow/create", create_body(load))
    (listed,) = succeeds(get(client, "/workflow/list"))
    names = ("name", "execute_cron_list", "execute_modules")
    again = json.dumps({key: listed[key] for key in names}).encode()
    assert succeeds(post(client, "/workflow/create", again))["workflow_id"] == 6


def test_the_jobs_have_the_fields_that_they_had(client: FlaskClient, load: Module) -> None:
    post(client, "/workflow/create", create_body(load))
    (job,) = succeeds(get(client, "/scheduler/jobs"))
    assert (job["job_id"], job["name"]) == ("workflow_5", "负荷预测")
    assert job["next_run_time"][10:] in ("T09:20:00+08:00", "T11:50:00+08:00")
    assert isinstance(job["func"], str)
    assert isinstance(job["trigger"], str)
    assert isinstance(job["max_instances"], int)
    assert isinstance(job["misfire_grace_time"], int)
    assert job["workflow"] == {
        "id": "5",
        "workflow_id": 5,
        "name": "负荷预测",
        "enable": True,
        "description": "every morning",
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/workflow/5/execute", b""),
        ("/workflow/5/execute", b"{}"),
        ("/workflow/execute", b'{"workflow_id": 5}'),
    ],
)
def test_a_workflow_is_executed_by_either_call(
    client: FlaskClient, store: Store, load: Module, path: str, body: bytes
) -> None:
    post(client, "/workflow/create", create_body(load))
    result = succeeds(post(client, path, body))
    assert (result["workflow_id"], result["workflow_name"]) == (5, "负荷预测")
    assert isinstance(result["message"], str)
    execution = store.executions.get(result["execution_id"])
    assert execution is not None
    assert (execution.actor, len(execution.steps)) == (ANONYMOUS, 3)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/workflow/6/execute", b"", "3003"),
        ("/workflow/execute", b'{"workflow_id": 6}', "3003"),
        ("/workflow/execute", b"{}", "3002"),
        ("/workflow/execute", b'{"workflow_id": "five"}', "3002"),
        ("/workflow/execute", b"", "3002"),
    ],
)
def test_what_cannot_be_executed_is_refused(
    client: FlaskClient, load: Module, path: str, body: bytes, code: str
) -> None:
    post(client, "/workflow/create", create_body(load))
    assert fails(post(client, path, body)) == code


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_reload_tells_what_fires(client: FlaskClient, load: Module, body: bytes) -> None:
    post(client, "/workflow/create", create_body(load))
    result = succeeds(post(client, "/scheduler/reload", body))
    assert result["current_count"] == 1
    assert isinstance(result["removed_count"], int)
    assert result["enabled_workflows"] == [{"workflow_id": 5, "name": "负荷预测"}]
    assert isinstance(result["message"], str)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"name": None}, "3002"),
        ({"execute_cron_list": []}, "3002"),
        ({"execute_cron_list": None}, "3002"),
        ({"execute_modules": []}, "3002"),
        ({"execute_modules": None}, "3002"),
        ({"execute_shift_unit": "w"}, "3002"),
        ({"execute_shift_time": "soon"}, "3002"),
        ({"execute_modules": ["f" * 64]}, "3003"),
        ({"execute_modules": [{"name": "nobody", "args": {}}]}, "3003"),
        ({"workflow_id": 5}, "3004"),
    ],
)
def test_failures_have_the_codes_that_they_had(
    client: FlaskClient, load: Module, words: dict[str, Any], code: str
) -> None:
    post(client, "/workflow/create", create_body(load))
    sent = json.loads(create_body(load)) | {"workflow_id": 9} | words
    assert fails(post(client, "/workflow/create", json.dumps(sent).encode())) == code

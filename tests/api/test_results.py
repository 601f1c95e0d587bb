"""Results over HTTP: as the module wrote them, or a sentence that says how far the work got."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest
from flask.testing import FlaskClient

from shared.clock import utc_now
from shared.domain.message import EndReason, MessageStatus
from shared.domain.module import Module
from shared.domain.result import LateResult, ResultStatus
from shared.services.registration import register_module
from shared.store import Store
from tests.support.builders import NOON, make_message, make_registration, make_result, make_workflow
from tests.support.tampering import remove_module

WRITTEN = '{"b" : [1.0, 1e5, 0.10],\n "a":null}'


@pytest.fixture
def module(store: Store) -> Module:
    return register_module(store, make_registration(name="load"), utc_now()).module


def test_a_result_comes_out_as_it_went_in(
    client: FlaskClient, store: Store, module: Module
) -> None:
    store.results.insert([make_result(module_hash=module.module_hash, content=WRITTEN)])
    store.results.add_late(
        "message-1", LateResult(at=NOON, status=ResultStatus.SUCCESS, content='{"x": 2.0}')
    )
    answer = client.get("/result/message-1")
    assert answer.status_code == 200
    assert f'"content":{WRITTEN},'.encode() in answer.data
    assert b'"content":{"x": 2.0}' in answer.data
    item = answer.json["result"]
    assert (item["status"], item["module_name"], item["is_by_module"]) == ("success", "load", True)


def test_a_result_of_a_deleted_module(client: FlaskClient, store: Store, module: Module) -> None:
    store.results.insert([make_result(module_hash=module.module_hash, content=None)])
    remove_module(store, module.module_hash)
    item = client.get("/result/message-1").json["result"]
    assert (item["module_name"], item["content"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "it is queued since 2026-03-01T12:00:00Z."),
        (
            {"status": MessageStatus.SENT, "sent_at": NOON + timedelta(seconds=1)},
            "it is sent since 2026-03-01T12:00:01Z.",
        ),
        (
            {"status": MessageStatus.ACKED, "acked_at": NOON + timedelta(seconds=2)},
            "it is acked since 2026-03-01T12:00:02Z.",
        ),
    ],
)
def test_a_message_without_a_result_says_how_far_it_got(
    client: FlaskClient, store: Store, fields: dict, said: str
) -> None:
    store.messages.insert([make_message(**fields)])
    answer = client.get("/result/message-1")
    assert (answer.status_code, answer.json["code"]) == (404, "3003")
    assert answer.json["message"] == f"The message 'message-1' has no result yet: {said}"


def test_a_message_that_does_not_exist(client: FlaskClient) -> None:
    answer = client.get("/result/message-1")
    assert (answer.status_code, answer.json["code"]) == (404, "3003")
    assert answer.json["message"] == "No message has the id 'message-1'."


def test_the_message_tells_why_it_did_not_succeed(
    client: FlaskClient, store: Store, module: Module
) -> None:
    message = make_message(module_hash=module.module_hash, status=MessageStatus.FAILED)
    failure = make_result(
        status=ResultStatus.FAILURE, reason=EndReason.MODULE_FAILURE, error="no data", content=None
    )
    store.messages.insert([message])
    store.results.insert([failure])
    item = client.get("/message/message-1").json["result"]
    assert (item["status"], item["reason"], item["error"]) == (
        "failed",
        "module_failure",
        "no data",
    )
    (item,) = client.get("/module/load/messages").json["result"]
    assert (item["status"], item["reason"]) == ("failed", "module_failure")


def test_a_modules_results_newest_first(client: FlaskClient, store: Store, module: Module) -> None:
    now = utc_now()
    ages = [timedelta(hours=5), timedelta(days=100), timedelta(), timedelta(minutes=3)]
    store.results.insert(
        [
            make_result(message_id=f"m{n}", module_hash=module.module_hash, at=now - age)
            for n, age in enumerate(ages)
        ]
    )
    store.results.insert([make_result(message_id="foreign", module_hash="0" * 64, at=now)])

    def ids(**query: str | int) -> list[str]:
        answer = client.get(f"/module/{module.module_id}/results", query_string=query)
        assert answer.status_code == 200
        return [item["message_id"] for item in answer.json["result"]]

    assert ids() == ["m2", "m3", "m0", "m1"]
    assert ids(limit=2) == ["m2", "m3"]
    assert ids(since=(now - timedelta(hours=1)).isoformat()) == ["m2", "m3"]


def test_results_of_an_unknown_module(client: FlaskClient) -> None:
    assert client.get("/module/nobody/results").status_code == 404


def insert_success(store: Store, module: Module, message_id: str, seconds_ago: int) -> None:
    at = utc_now() - timedelta(seconds=seconds_ago)
    result = make_result(
        message_id=message_id, module_hash=module.module_hash, at=at, content=WRITTEN
    )
    store.results.insert([replace(result, mission_kind=module.mission_kind)])


@pytest.fixture
def of_kind(store: Store) -> Module:
    registration = make_registration(name="north", mission_kind="load")
    return register_module(store, registration, utc_now()).module


def test_a_consumer_of_a_kind_needs_one_call(
    client: FlaskClient, store: Store, of_kind: Module
) -> None:
    insert_success(store, of_kind, "old", 7200)
    insert_success(store, of_kind, "new", 3600)
    answer = client.get("/results/latest?missionKind=load")
    assert f'"content":{WRITTEN},'.encode() in answer.data
    (item,) = answer.json["result"]
    assert (item["message_id"], item["module_name"]) == ("new", "north")
    assert 3600 <= item["age_seconds"] < 3660


@pytest.fixture
def minute(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the clock of the calls to the beginning of the so many-th minute from now."""
    now = utc_now().replace(second=0) + timedelta(minutes=1)

    def set_clock(minutes: int) -> None:
        module = import_module("api.results")  # api.results itself is the blueprint
        monkeypatch.setattr(module, "utc_now", lambda: now + timedelta(minutes=minutes))

    set_clock(0)
    return set_clock


@pytest.mark.usefixtures("minute")
def test_nothing_is_sent_again_until_something_newer_came(
    client: FlaskClient, store: Store, of_kind: Module
) -> None:
    insert_success(store, of_kind, "old", 60)
    etag = client.get("/results/latest?missionKind=load").headers["ETag"]
    again = client.get("/results/latest?missionKind=load", headers={"If-None-Match": etag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
    insert_success(store, of_kind, "new", 0)
    newer = client.get("/results/latest?missionKind=load", headers={"If-None-Match": etag})
    assert newer.status_code == 200
    assert newer.headers["ETag"] != etag


def test_an_age_that_is_kept_is_no_older_than_a_minute(
    client: FlaskClient, store: Store, of_kind: Module, minute: Callable[[int], None]
) -> None:
    insert_success(store, of_kind, "old", 60)
    first = client.get("/results/latest?missionKind=load")
    minute(1)
    later = client.get(
        "/results/latest?missionKind=load", headers={"If-None-Match": first.headers["ETag"]}
    )
    ages = [answer.json["result"][0]["age_seconds"] for answer in (first, later)]
    assert ages[1] - ages[0] == 60


def test_the_latest_of_one_module(client: FlaskClient, store: Store, module: Module) -> None:
    insert_success(store, module, "m1", 0)
    (item,) = client.get("/results/latest?module=load").json["result"]
    assert item["message_id"] == "m1"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "3002"),
        ("missionKind=", 400, "3002"),
        ("workflow_id=x", 404, "3003"),
        ("missionKnd=load", 400, "3002"),
        ("module=load&missionKind=load", 400, "3002"),
        ("workflow_id=7", 404, "3003"),
        ("module=nobody", 404, "3003"),
    ],
)
def test_a_question_for_the_latest_that_makes_no_sense(
    client: FlaskClient, query: str, status: int, code: str
) -> None:
    answer = client.get(f"/results/latest?{query}")
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_mistyped_word_of_the_question_is_named(client: FlaskClient) -> None:
    answer = client.get("/results/latest?missionKnd=load")
    assert "missionKnd is not known here; do you mean missionKind?" in answer.json["message"]


def test_the_latest_of_a_workflow_is_asked_for_by_its_name_too(
    client: FlaskClient, store: Store
) -> None:
    store.workflows.insert(make_workflow(workflow_id=7, name="load-72h"))
    for reference in ("7", "load-72h"):
        assert client.get(f"/results/latest?workflow_id={reference}").json["result"] == []


def test_a_kind_without_results_is_an_empty_list(client: FlaskClient) -> None:
    assert client.get("/results/latest?missionKind=none").json["result"] == []

"""The history over HTTP."""

import sys
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.clock import utc_now
from shared.domain.event import execution_ended
from shared.domain.execution import ExecutionStatus, MissReason
from shared.services.module_admin import delete_module, set_enabled
from shared.store import Store
from tests.support.builders import ACTOR, make_execution, make_workflow
from tests.support.registry import Registry


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store=store, now=utc_now())


def whats(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json
    return [event["what"] for event in answer.json["result"]]


def test_events_are_listed_newest_first_with_reason_and_actor(
    client: FlaskClient, registry: Registry
) -> None:
    module = registry.register()
    registry.now += timedelta(seconds=1)
    words = {"enabled": False, "because": "new model"}
    set_enabled(registry.store, module.module_hash, registry.now, ACTOR, **words)
    answer = client.get("/events")
    assert whats(answer) == ["disabled", "registered"]
    event = answer.json["result"][0]
    assert event["subject"] == {"kind": "module", "id": module.module_hash}
    assert (event["name"], event["reason"], event["actor"]) == (module.name, "operator", ACTOR)
    assert event["detail"] == {"because": "new model"}
    assert event["at"].endswith("Z")


def test_the_events_of_a_module_are_found_by_whatever_it_is_called(
    client: FlaskClient, registry: Registry
) -> None:
    module = registry.register("load-72h")
    registry.register("other")
    for reference in ("load-72h", "1", module.module_hash[:8]):
        assert whats(client.get(f"/module/{reference}/events")) == ["registered"]
        assert whats(client.get("/events", query_string={"module": reference})) == ["registered"]
    assert client.get("/module/nothing/events").status_code == 404


def test_a_deleted_module_keeps_its_events(client: FlaskClient, registry: Registry) -> None:
    module = registry.register()
    registry.now += timedelta(seconds=1)
    delete_module(registry.store, module.module_hash, registry.now, ACTOR)
    answer = client.get(f"/module/{module.module_hash}/events")
    assert whats(answer) == ["deleted", "registered"]
    assert {event["name"] for event in answer.json["result"]} == {module.name}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"what": "enabled"}, ["enabled"]),
        ({"reason": "operator"}, ["enabled", "disabled"]),
        ({"name": "LOAD"}, ["enabled", "disabled", "registered"]),
        ({"name": "price"}, ["registered"]),
        ({"limit": "1"}, ["enabled"]),
        ({"workflow_id": "9"}, ["missed"]),
        ({"what": "lost"}, []),
    ],
)
def test_events_are_filtered(
    client: FlaskClient, registry: Registry, query: dict[str, str], expected: list[str]
) -> None:
    registry.now -= timedelta(minutes=1)
    module = registry.register("my-load")
    registry.register("price", mission_kind="load")
    workflow = make_workflow(workflow_id=9, name="nightly")
    registry.store.workflows.insert(workflow)
    missed = make_execution(
        workflow=workflow, status=ExecutionStatus.MISSED, reason=MissReason.NO_WORKER
    )
    registry.store.events.record([execution_ended(missed, registry.now)])
    for enabled in (False, True):
        registry.now += timedelta(seconds=1)
        set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=enabled)
    assert whats(client.get("/events", query_string=query)) == expected


def test_pages_of_events_go_on_where_the_one_before_ended(
    client: FlaskClient, registry: Registry
) -> None:
    module = registry.register()
    for number in range(5):
        set_enabled(
            registry.store, module.module_hash, registry.now, ACTOR, enabled=bool(number % 2)
        )
        registry.now += timedelta(milliseconds=number)
    found, address = [], "/events?limit=2"
    while address:
        answer = client.get(address)
        found += [event["event_id"] for event in answer.json["result"]]
        link = answer.headers.get("Link", "")
        address = link.partition(">")[0].lstrip("<")
    assert len(found) == len(set(found)) == 6


def test_a_long_search_goes_on_with_the_next_page(
    client: FlaskClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["api.events"], "SEARCH_SECONDS", 0)
    for minutes in (0, 2, 5):
        moved = Registry(store=registry.store, now=registry.now - timedelta(minutes=minutes))
        moved.register(f"module-{minutes}")
    found, pages = [], 0
    since = (registry.now - timedelta(minutes=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    address = f"/events?since={since}&what=registered"
    while address:
        answer = client.get(address)
        found += [event["name"] for event in answer.json["result"]]
        address = answer.headers.get("Link", "").partition(">")[0].lstrip("<")
        pages += 1
    assert found == ["module-0", "module-2", "module-5"]
    assert pages > 3


def test_without_a_time_and_a_subject_a_day_is_told(
    client: FlaskClient, registry: Registry
) -> None:
    registry.now -= timedelta(days=2)
    registry.register()
    assert whats(client.get("/events")) == []
    since = (registry.now - timedelta(hours=1)).isoformat()
    assert whats(client.get("/events", query_string={"since": since})) == ["registered"]
    assert whats(client.get("/module/1/events")) == ["registered"]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"what": "exploded"}, "what must be one of: registered, "),
        ({"reason": "tired"}, "reason must be one of: "),
        ({"limit": "0"}, "limit must be from 1 to 1000"),
        ({"since": "yesterday"}, "since must be a time with a zone"),
        ({"after": "nothing"}, "after names no event"),
        ({"module": "a", "workflow_id": "1"}, "workflow_id must not be given beside module"),
    ],
)
def test_a_wrong_word_is_named(client: FlaskClient, query: dict[str, str], problem: str) -> None:
    answer = client.get("/events", query_string=query)
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert problem in answer.json["message"]

"""Listings over HTTP: the modules that are online, filtered, in pages, and only when something changed."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.module_answers import ModuleAnswer, ShownModule
from shared.clock import utc_now
from shared.domain.actor import ANONYMOUS
from shared.domain.closing import CLOSED
from shared.domain.node import Node
from shared.services.module_admin import close_module, set_enabled
from shared.services.registration import register_module
from shared.store import Store
from tests.api.conftest import OnlineMaker
from tests.support.builders import ACTOR, make_registration, make_result
from tests.support.tampering import remove_module

CONTRACT_KEYS = {
    "module_id",
    "name",
    "description",
    "missionKind",
    "dataRequirement",
    "priority",
    "module_hash",
    "alive",
    "state",
    "session_id",
    "last_alive_time",
    "last_login_time",
    "last_execution_time",
}


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [item["name"] for item in answer.json["result"]]


def test_nobody_is_online_at_first(client: FlaskClient) -> None:
    assert client.get("/module/online").json == {
        "code": "2000",
        "message": "成功!",
        "result": [],
    }


def test_a_connected_module_is_online(client: FlaskClient, connect_module: OnlineMaker) -> None:
    module = connect_module(name="load", mission_kind="short")
    [item] = client.get("/module/online").json["result"]
    assert item.keys() >= CONTRACT_KEYS
    assert item["module_hash"] == module.module_hash
    assert item["alive"] is True
    assert item["state"] == "online"
    assert item["session_id"] == module.session.id
    assert item["last_login_time"].endswith("Z")


def test_the_documentation_names_every_key(
    client: FlaskClient, connect_module: OnlineMaker
) -> None:
    connect_module()
    [item] = client.get("/module/online").json["result"]
    documented = {field.data_key or name for name, field in ModuleAnswer().fields.items()}
    assert item.keys() == documented


def test_a_module_whose_node_is_lost_is_offline(
    client: FlaskClient, connect_module: OnlineMaker, store: Store, living_node: Node
) -> None:
    module = connect_module()
    store.nodes.declare_dead(living_node.id, living_node.renewals, utc_now())
    assert names(client.get("/module/online")) == []
    item = client.get(f"/module/{module.module_hash}").json["result"]
    assert (item["state"], item["offline_reason"]) == ("offline", "node_lost")


def test_a_worker_that_just_started_believes_a_lease_that_is_over(
    client: FlaskClient, connect_module: OnlineMaker, store: Store, living_node: Node
) -> None:
    module = connect_module()
    store.nodes.renew(living_node.id, utc_now() - timedelta(seconds=30), sessions=1)
    [listed] = client.get("/module/online").json["result"]
    shown = client.get(f"/module/{module.module_hash}").json["result"]
    assert [(item["state"], item["in_doubt"]) for item in (listed, shown)] == [("online", True)] * 2
    closed = client.post("/module/close_websocket", data={"module_id": module.module_id})
    assert closed.status_code == 200


def test_the_whole_list_holds_offline_modules(
    client: FlaskClient, connect_module: OnlineMaker
) -> None:
    connect_module(name="load")
    client.get("/module/register?name=price")
    assert names(client.get("/module/online")) == ["load"]
    items = client.get("/module/list").json["result"]
    assert [(item["name"], item["state"]) for item in items] == [
        ("load", "online"),
        ("price", "offline"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("missionKind=short", ["load north"]),
        ("missionKind=", ["price"]),
        ("tag=b", ["load north", "load south"]),
        ("name=LOAD", ["load north", "load south"]),
        ("state=online", ["load north", "load south", "price"]),
        ("state=suspect", []),
        ("name=load&tag=c", ["load south"]),
    ],
)
def test_filters(
    client: FlaskClient, connect_module: OnlineMaker, query: str, found: list[str]
) -> None:
    connect_module(name="load north", mission_kind="short", tags=("a", "b"))
    connect_module(name="load south", mission_kind="long", tags=("b", "c"))
    connect_module(name="price")
    assert names(client.get(f"/module/online?{query}")) == found


@pytest.mark.parametrize(
    "query",
    [
        "state=awake",
        "limit=0",
        "limit=1001",
        "limit=many",
        "after=-1",
        "after=x",
        "limit=1&limit=2",
    ],
)
def test_wrong_filters_are_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/module/online?{query}")
    assert answer.status_code == 400
    assert answer.json["code"] == "3002"
    assert query.partition("=")[0] in answer.json["message"]


def test_a_disabled_module_is_listed_with_its_reason(client: FlaskClient, store: Store) -> None:
    module = register_module(store, make_registration(), utc_now()).module
    words = {"enabled": False, "because": "new model"}
    set_enabled(store, module.module_hash, utc_now(), ACTOR, **words)
    answer = client.get("/module/list?state=disabled")
    assert names(answer) == [module.name]
    (item,) = answer.json["result"]
    assert (item["alive"], item["enabled"]) == (False, False)
    assert item["disabled"] | {"actor": ACTOR, "because": "new model"} == item["disabled"]
    assert item["disabled"]["at"].endswith("Z")
    assert names(client.get("/module/list?state=offline")) == []


@pytest.mark.parametrize(
    "listing",
    [
        "/module/online",
        "/module/list",
        "/module/load/messages",
        "/module/load/results",
        "/results/latest",
        "/workflow/list",
        "/workflow/1/executions",
        "/events",
        "/module/load/events",
        "/scheduler/jobs",
    ],
)
def test_a_parameter_that_a_listing_does_not_know_is_refused(
    client: FlaskClient, listing: str
) -> None:
    for query in ("foo=1", "missionKind=load&foo=1&foo=2", "foo"):
        answer = client.get(f"{listing}?{query}")
        assert (answer.status_code, answer.json["code"]) == (400, "3002")
        assert "foo is not known here" in answer.json["message"]


def test_a_mistyped_parameter_is_told_what_it_may_mean(client: FlaskClient) -> None:
    answer = client.get("/module/online?missionkind=load")
    assert answer.json["message"] == "missionkind is not known here; do you mean missionKind?"


def test_pages_follow_the_link(client: FlaskClient, connect_module: OnlineMaker) -> None:
    for name in ("load 1", "load 2", "load 3", "price"):
        connect_module(name=name)
    first = client.get("/module/online?name=load&limit=2")
    assert names(first) == ["load 1", "load 2"]
    link = first.headers["Link"]
    assert link == '</module/online?name=load&limit=2&after=2>; rel="next"'
    last = client.get(link[1:].partition(">")[0])
    assert names(last) == ["load 3"]
    assert "Link" not in last.headers


def test_an_unchanged_list_is_not_sent_again(
    client: FlaskClient, connect_module: OnlineMaker
) -> None:
    connect_module()
    for path in ("/module/online", "/module/list", "/module/online?limit=5"):
        etag = client.get(path).headers["ETag"]
        assert etag.startswith('W/"')
        again = client.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == etag
        assert client.get(path, headers={"If-None-Match": 'W/"other"'}).status_code == 200


def test_one_module(client: FlaskClient, connect_module: OnlineMaker) -> None:
    module = connect_module()
    item = client.get(f"/module/{module.module_hash}").json["result"]
    del item["figures"]
    assert item == client.get("/module/online").json["result"][0]


@pytest.mark.parametrize("module_hash", ["0" * 64, "x" * 64, "0" * 63, "listing", "%00", "预"])
def test_a_module_that_nobody_knows(client: FlaskClient, module_hash: str) -> None:
    answer = client.get(f"/module/{module_hash}")
    assert answer.status_code == 404
    assert answer.json["code"] == "3003"


@pytest.mark.parametrize("reference", ["load 72h", "负荷", "2"])
def test_one_module_by_what_it_is_called(client: FlaskClient, store: Store, reference: str) -> None:
    for name in ("load 72h", "other", "负荷"):
        register_module(store, make_registration(name=name), utc_now())
    item = client.get(f"/module/{reference}").json["result"]
    assert reference in (item["name"], str(item["module_id"]))


def test_two_modules_of_one_name(client: FlaskClient, store: Store) -> None:
    for kind in ("day", "week"):
        register_module(store, make_registration(name="load", mission_kind=kind), utc_now())
    answer = client.get("/module/load")
    assert (answer.status_code, answer.json["code"]) == (409, "3004")


def test_a_name_found_by_an_earlier_call_may_be_deleted(client: FlaskClient, store: Store) -> None:
    module = register_module(store, make_registration(name="load"), utc_now()).module
    assert client.get("/module/load").status_code == 200
    remove_module(store, module.module_hash)
    assert client.get("/module/load").status_code == 404


def test_closing_by_name(client: FlaskClient, connect_module: OnlineMaker) -> None:
    connect_module(name="load")
    answer = client.post("/module/close_websocket", data={"module": "load"})
    assert answer.json["result"]["module_name"] == "load"


@pytest.mark.parametrize("how", ["data", "json", "query_string"])
@pytest.mark.parametrize("word", ["module_id", "module_hash"])
def test_closing(
    client: FlaskClient, connect_module: OnlineMaker, store: Store, how: str, word: str
) -> None:
    module = connect_module(name="load")
    answer = client.post("/module/close_websocket", **{how: {word: getattr(module, word)}})
    assert answer.status_code == 200
    assert answer.json["result"].keys() == {"module_id", "module_name", "message"}
    assert answer.json["result"]["module_name"] == "load"
    closed = store.modules.get(module.module_hash)
    assert closed is not None
    assert closed.session is None
    [command] = store.node_commands.read(module.session.node)
    assert command.closing == CLOSED


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"module_id": ""},
        {"module_id": "first"},
        {"module_id": "1.0"},
        {"module_id": str(2**63)},
        {"module_id": "9" * 5000},
        {"module_id": "0"},
        {"module_id": "1", "module_hash": "0" * 64},
        {"module_hash": "0" * 65},
        {"module": " "},
        {"module": "x" * 101},
        {"module": "load", "module_id": "1"},
    ],
    ids=range(12),
)
def test_closing_nobody_in_particular(client: FlaskClient, form: dict[str, str]) -> None:
    answer = client.post("/module/close_websocket", data=form)
    assert answer.status_code == 400
    assert answer.json["code"] == "3002"


@pytest.mark.parametrize("form", [{"module_id": "99"}, {"module_hash": "0" * 64}])
def test_closing_an_unknown_module(client: FlaskClient, form: dict[str, str]) -> None:
    answer = client.post("/module/close_websocket", data=form)
    assert (answer.status_code, answer.json["code"]) == (404, "3003")


def test_closing_a_module_that_is_not_online(
    client: FlaskClient, connect_module: OnlineMaker, store: Store, living_node: Node
) -> None:
    module = connect_module()
    close_module(store, module, utc_now(), ANONYMOUS)
    answer = client.post("/module/close_websocket", data={"module_id": module.module_id})
    assert (answer.status_code, answer.json["code"]) == (404, "3003")


def test_a_module_is_shown_with_how_it_did_lately(
    client: FlaskClient, connect_module: OnlineMaker, store: Store
) -> None:
    module = connect_module()
    at = utc_now()
    store.results.insert(
        [make_result(module_hash=module.module_hash, at=at, sent_at=at - timedelta(seconds=3))]
    )
    item = client.get(f"/module/{module.module_hash}").json["result"]
    day = item["figures"]["24h"]
    assert (day["finished"], day["success_rate"], day["p50_seconds"]) == (1, 1.0, 3.0)
    assert item.keys() == {f.data_key or name for name, f in ShownModule().fields.items()}

"""Modules register over HTTP, as earlier clients do and as new ones may."""

from flask.testing import FlaskClient

from shared.domain.module import compute_module_hash
from shared.store import Store
from tests.api.conftest import OnlineMaker


def test_the_first_form_registers_by_query(client: FlaskClient, store: Store) -> None:
    query = {
        "name": "load-forecast",
        "description": "Tomorrow's load",
        "missionKind": "load",
        "dataRequirement": '{"table_name": "grid_load"}',
    }
    answer = client.get("/module/register", query_string=query)
    expected = compute_module_hash("load-forecast", "load", "")
    assert answer.status_code == 200
    assert answer.json == {
        "code": "2000",
        "message": "成功!",
        "result": {"hash": expected, "module_hash": expected, "module_id": 1, "revision": 1},
    }
    module = store.modules.get(expected)
    assert module is not None
    assert module.data_requirement == {"table_name": "grid_load"}


def test_an_online_module_is_listed(client: FlaskClient, connect_module: OnlineMaker) -> None:
    module = connect_module(name="load-forecast")
    [item] = client.get("/module/online").json["result"]
    assert item["module_id"] == module.module_id
    assert item["state"] == "online"


def test_closing_by_number(client: FlaskClient, connect_module: OnlineMaker, store: Store) -> None:
    module = connect_module(name="load-forecast")
    answer = client.post("/module/close_websocket", data={"module_id": "1"})
    assert answer.json["result"]["module_name"] == "load-forecast"
    assert store.modules.get(module.module_hash).session is None

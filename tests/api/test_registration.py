"""Modules register over HTTP, as earlier clients do and as new ones may."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from api import create_app
from shared.clock import utc_now
from shared.domain.ids import ModuleHash
from shared.domain.module import compute_module_hash
from shared.settings import Settings
from shared.store import Store, connect

REQUIREMENT = {"table_kind": "fact", "table_name": "grid_load", "table_columns": ["mw"]}
REQUIREMENT_TEXT = '{"table_kind": "fact", "table_name": "grid_load", "table_columns": ["mw"]}'


def hash_of(answer: Any) -> ModuleHash:
    return ModuleHash(answer.json["result"]["hash"])


def test_a_disabled_module_is_told_so(client: FlaskClient, store: Store) -> None:
    registered = client.post("/module/register", json={"name": "load"})
    store.modules.set_enabled(hash_of(registered), utc_now(), enabled=False)
    answer = client.post("/module/register", json={"name": "load"})
    assert answer.json["result"] | {"enabled": False} == answer.json["result"]
    assert answer.status_code == 200


def test_the_first_form_registers_by_query(client: FlaskClient, store: Store) -> None:
    query = {"name": "load", "missionKind": "short", "dataRequirement": REQUIREMENT_TEXT}
    answer = client.get("/module/register", query_string=query)
    expected = compute_module_hash("load", "short", "")
    assert answer.status_code == 200
    assert answer.json == {
        "code": "2000",
        "message": "成功!",
        "result": {
            "hash": expected,
            "module_hash": expected,
            "module_id": 1,
            "revision": 1,
            "enabled": True,
        },
    }
    module = store.modules.get(expected)
    assert module is not None
    assert module.data_requirement == REQUIREMENT


def test_the_later_form_registers_by_query(client: FlaskClient, store: Store) -> None:
    lists = {"input_data": f"[{REQUIREMENT_TEXT}]", "output_data": "[]"}
    query = {"name": "load", "description": "d", "modelHash": "abc", **lists}
    answer = client.get("/module/register", query_string=query)
    module = store.modules.get(hash_of(answer))
    assert module is not None
    assert module.module_hash == compute_module_hash("load", "", "abc")
    assert module.input_data == [REQUIREMENT]
    assert module.output_data == []
    assert answer.json["result"]["module_id"] == module.module_id


def test_json_values_stand_in_a_body_as_they_are(client: FlaskClient, store: Store) -> None:
    body = {"name": "load", "dataRequirement": REQUIREMENT, "priority": 7, "tags": ["a", "b"]}
    answer = client.post("/module/register", json=body)
    module = store.modules.get(hash_of(answer))
    assert answer.status_code == 201
    assert module is not None
    assert (module.data_requirement, module.priority, module.tags) == (REQUIREMENT, 7, ("a", "b"))


def test_json_values_may_stand_in_a_body_as_texts(client: FlaskClient, store: Store) -> None:
    answer = client.post(
        "/module/register", json={"name": "load", "dataRequirement": REQUIREMENT_TEXT}
    )
    module = store.modules.get(hash_of(answer))
    assert module is not None
    assert module.data_requirement == REQUIREMENT


def test_a_form_registers_like_a_body(client: FlaskClient, store: Store) -> None:
    form = {"name": "load", "input_data": "[]", "priority": "3", "tags": ["a", "b"]}
    answer = client.post("/module/register", data=form)
    module = store.modules.get(hash_of(answer))
    assert answer.status_code == 201
    assert module is not None
    assert (module.input_data, module.priority, module.tags) == ([], 3, ("a", "b"))


def test_registering_again_gives_the_same_answer(client: FlaskClient) -> None:
    first = client.post("/module/register", json={"name": "load"})
    second = client.post("/module/register", json={"name": "load"})
    assert second.status_code == 200
    assert second.json == first.json


def test_a_changed_description_raises_the_revision(client: FlaskClient) -> None:
    client.post("/module/register", json={"name": "load", "description": "old"})
    answer = client.post("/module/register", json={"name": "load", "description": "new"})
    assert answer.json["result"]["revision"] == 2


def test_names_that_look_the_same_are_the_same(client: FlaskClient) -> None:
    composed = client.get("/module/register", query_string={"name": "caf\u00e9"})
    decomposed = client.get("/module/register", query_string={"name": " cafe\u0301 "})
    assert hash_of(composed) == hash_of(decomposed)


def test_unknown_parameters_of_a_query_are_ignored(client: FlaskClient) -> None:
    answer = client.get("/module/register?name=load&cache_buster=17&cache_buster=18")
    assert answer.status_code == 200


def test_null_means_not_said(client: FlaskClient, store: Store) -> None:
    client.post("/module/register", json={"name": "load", "input_data": [1]})
    answer = client.post("/module/register", json={"name": "load", "input_data": None})
    module = store.modules.get(hash_of(answer))
    assert module is not None
    assert module.input_data == [1]


def test_null_may_be_written_as_a_text(client: FlaskClient) -> None:
    answer = client.get("/module/register", query_string={"name": "load", "input_data": "null"})
    assert answer.status_code == 200


def test_a_long_but_legal_query_registers(client: FlaskClient) -> None:
    text = '["' + "预" * 21_000 + '"]'
    answer = client.get("/module/register", query_string={"name": "load", "input_data": text})
    assert answer.status_code == 200


def test_racing_registrations_make_one_module(app: Flask, store: Store) -> None:
    def register(_: int) -> Any:
        return app.test_client().post("/module/register", json={"name": "load"}).json

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(register, range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert len(list(store.modules.stream())) == 1


def register_in_a_process(settings: Settings, names: list[str]) -> dict[str, int]:
    """Register modules from a process of its own; return their numbers."""
    store = connect(settings, timeout_ms=10_000, retryWrites=False, w=1)
    client = create_app(settings, store).test_client()
    answers = {name: client.post("/module/register", json={"name": name}) for name in names}
    store.close()
    return {name: answer.json["result"]["module_id"] for name, answer in answers.items()}


def test_racing_processes_agree_on_every_number(settings: Settings, store: Store) -> None:
    names = [f"module {number}" for number in range(20)]
    processes = 4
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        own = [[f"only of {number}"] for number in range(processes)]
        futures = [pool.submit(register_in_a_process, settings, names + mine) for mine in own]
        found = [future.result(60) for future in futures]
    stored = {module.name: module.module_id for module in store.modules.stream()}
    assert len(stored) == len(set(stored.values())) == 20 + processes
    for answers in found:
        assert answers.items() <= stored.items()

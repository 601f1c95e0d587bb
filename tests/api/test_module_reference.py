"""How callers say which module they mean: a hash counts in any case, wherever it stands."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.domain.module import Module
from tests.api.conftest import OnlineMaker


@pytest.fixture
def module(connect_module: OnlineMaker) -> Module:
    return connect_module(name="load")


@pytest.mark.parametrize(
    "path",
    [
        "/module/{}",
        "/module/{}/messages",
        "/module/{}/results",
        "/module/{}/events",
        "/events?module={}",
        "/results/latest?module={}",
    ],
)
@pytest.mark.parametrize("digits", [8, 64])
def test_a_hash_in_an_address(client: FlaskClient, module: Module, path: str, digits: int) -> None:
    reference = module.module_hash[:digits].upper()
    assert client.get(path.format(reference)).status_code == 200


@pytest.mark.parametrize("word", ["module_hash", "module"])
@pytest.mark.parametrize("how", ["data", "json"])
def test_a_hash_in_a_body(client: FlaskClient, module: Module, word: str, how: str) -> None:
    target = {word: module.module_hash.upper()}
    words: dict[str, Any] = {how: target | {"message": "hello"}}
    sent = client.post("/module/send_message", **words)
    assert sent.json["result"]["module_hash"] == module.module_hash
    closed = client.post("/module/close_websocket", **{how: target})
    assert closed.json["result"]["module_id"] == module.module_id


def test_a_hash_among_fallbacks(
    client: FlaskClient, module: Module, connect_module: OnlineMaker
) -> None:
    other = connect_module(name="other")
    words = {"module": "load", "message": "hello", "fallback": [other.module_hash.upper()]}
    assert client.post("/module/send_message", json=words).status_code == 200


def test_a_hash_in_a_workflow(client: FlaskClient, module: Module) -> None:
    entry = {"module_hash": module.module_hash.upper()}
    words = {"name": "daily", "execute_cron_list": ["@daily"], "execute_modules": [entry]}
    created = client.post("/workflow/create", json=words).json["result"]
    [step] = client.get(f"/workflow/{created['workflow_id']}").json["result"]["execute_modules"]
    assert step["module_hash"] == module.module_hash

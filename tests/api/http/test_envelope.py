"""Whatever happens, the answer is the envelope, and it tells nothing of our insides."""

import logging
import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.errors import AutoReconnect, OperationFailure

from api import create_app
from shared.settings import Settings
from shared.store import Store


def assert_envelope(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.content_type == "application/json"
    assert answer.json.keys() == {"code", "message", "result"}
    assert answer.json["code"] == code
    assert answer.json["message"]
    assert answer.json["result"] is None


def test_the_index_says_where_to_go_on(client: FlaskClient) -> None:
    for link in client.get("/").json["result"]["links"]:
        assert client.get(link, buffered=True).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/module/online", "/workflow/list", "/results/latest", "/openapi.json"]
)
def test_an_answer_ends_with_a_newline(client: FlaskClient, path: str) -> None:
    assert client.get(path).data.endswith(b"}\n")


@pytest.mark.parametrize("path", ["/nope", "/module", "/module/online/", "/Module/online", "/a//b"])
def test_an_unknown_path(client: FlaskClient, path: str) -> None:
    assert_envelope(client.get(path), 404, "3003")


@pytest.mark.parametrize(
    "path", ["/static/../../wsgi.py", "/static/%2e%2e/__init__.py", "/static/"]
)
def test_files_outside_of_static_stay_hidden(client: FlaskClient, path: str) -> None:
    assert_envelope(client.get(path), 404, "3003")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_wrong_method(client: FlaskClient, method: str) -> None:
    answer = client.open("/module/online", method=method)
    assert_envelope(answer, 405, "3002")
    assert answer.headers["Allow"] == "GET, HEAD"


def test_closing_is_not_mistaken_for_a_hash(client: FlaskClient) -> None:
    assert_envelope(client.get("/module/close_websocket"), 405, "3002")


@pytest.fixture
def own_app(settings: Settings, store: Store) -> Flask:
    """An application that a test gives routes."""
    return create_app(settings, store)


def test_a_crash_is_logged_once_and_tells_nothing(
    own_app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    @own_app.get("/crash")
    def crash() -> None:
        raise OperationFailure("secret detail")

    answer = own_app.test_client().get("/crash")
    assert_envelope(answer, 500, "3001")
    assert answer.json["message"] == "internal error"
    [record] = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.exc_info is not None


def test_a_driver_error_outside_of_any_view_is_503(own_app: Flask) -> None:
    @own_app.get("/unreachable")
    def unreachable() -> None:
        raise AutoReconnect("secret detail")

    answer = own_app.test_client().get("/unreachable")
    assert_envelope(answer, 503, "5003")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.fixture
def named_hosts(settings: Settings, store: Store) -> FlaskClient:
    """An api that serves one host, and a domain with all below it."""
    named = replace(settings, allowed_hosts=("example.com", ".example.org"))
    return create_app(named, store).test_client()


def test_named_hosts_are_served(named_hosts: FlaskClient) -> None:
    for host in ("example.com", "example.com:10080", "a.example.org", "example.org"):
        answer = named_hosts.get("/healthz", headers={"Host": host})
        assert (host, answer.status_code) == (host, 200)


def test_other_hosts_are_refused(named_hosts: FlaskClient) -> None:
    others = ("badexample.org", "example.com.evil.net", "127.0.0.1", "", "exa mple.com")
    no_hosts = ("<script>", "example.com:99999", "example.com, example.com")
    for host in others + no_hosts:
        answer = named_hosts.get("/healthz", headers={"Host": host})
        assert (host, answer.status_code) == (host, 400)
        assert_envelope(answer, 400, "3002")


def test_a_missing_host_is_refused(settings: Settings, store: Store) -> None:
    app = create_app(replace(settings, allowed_hosts=("example.com",)), store)
    client = app.test_client()
    answer = client.get("/healthz", environ_overrides={"HTTP_HOST": None})
    assert_envelope(answer, 400, "3002")


@pytest.mark.parametrize("host", ["anything.example", "[::1]:10080", "<script>"])
def test_a_star_allows_every_host(client: FlaskClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_request_id_is_given_back(client: FlaskClient) -> None:
    for path in ("/healthz", "/nope"):
        answer = client.get(path, headers={"X-Request-ID": "job 17/a"})
        assert answer.headers["X-Request-ID"] == "job 17/a"


@pytest.mark.parametrize("given", [None, "", "x" * 129, "tab\there", "caf\xe9"])
def test_a_request_without_a_good_id_gets_one(client: FlaskClient, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    answer = client.get("/healthz", headers=headers)
    assert len(answer.headers["X-Request-ID"]) == 32


def test_the_documentation_is_served_from_our_own_files(client: FlaskClient) -> None:
    page = client.get("/docs", buffered=True).text
    vendored = "/static/vendor/swagger-ui"
    assert "://" not in page
    for part in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"):
        assert f"{vendored}/{part}" in page
        assert client.get(f"{vendored}/{part}", buffered=True).status_code == 200


def test_the_documentation_leads_to_the_contract_of_the_socket(client: FlaskClient) -> None:
    assert 'href="/docs/protocol"' in client.get("/docs").text
    page = client.get("/docs/protocol").text
    assert ">The socket's contract</h1>" in page
    assert "<td>4509</td>" in page
    assert "ws://&lt;host&gt;" in page
    assert [
        place for place in re.findall(r'href="#(.+?)"', page) if f'id="{place}"' not in page
    ] == []


def test_the_openapi_document_has_every_public_route(app: Flask) -> None:
    document = app.test_client().get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    routes = {re.sub(r"<.*?(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}
    undocumented = {"/openapi.json", "/docs", "/docs/protocol", "/static/{filename}"}
    assert routes - undocumented == document["paths"].keys()


def test_json_of_clients_is_not_taken_for_objects_of_the_driver(settings: Settings) -> None:
    app = create_app(settings)  # opens a client of its own, by Flask-PyMongo
    try:
        for value in ({"$oid": "x"}, {"$date": "x"}, {"$regularExpression": {"pattern": "x"}}):
            answer = app.test_client().post("/module/register", json={"name": value})
            assert_envelope(answer, 400, "3002")
    finally:
        app.extensions["forecast-platform"].breaker._store.close()

"""CORS: off, until a setting names the pages that may call."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import create_app
from shared.settings import Settings
from shared.store import Store

PAGE = "https://pages.example:8443"
PREFLIGHT = {"Access-Control-Request-Method": "POST"}


@pytest.fixture
def allowing(settings: Settings, store: Store) -> FlaskClient:
    """A client of an api that one page may call."""
    return create_app(replace(settings, cors_origins=(PAGE,)), store).test_client()


def allowed(answer: Any) -> str | None:
    origin: str | None = answer.headers.get("Access-Control-Allow-Origin")
    return origin


def test_it_is_off_unless_a_page_is_named(client: FlaskClient) -> None:
    asked = {"Origin": PAGE}
    assert allowed(client.get("/module/online", headers=asked)) is None
    preflight = client.options("/module/register", headers=asked | PREFLIGHT)
    assert preflight.status_code == 405
    assert "Origin" not in client.get("/module/online").headers.get("Vary", "")


def test_a_page_that_is_named_may_read_answers_and_their_headers(allowing: FlaskClient) -> None:
    for path, status in (("/module/online", 200), ("/nope", 404)):
        answer = allowing.get(path, headers={"Origin": PAGE})
        assert (answer.status_code, allowed(answer)) == (status, PAGE)
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


def test_a_page_that_is_named_may_post_json(allowing: FlaskClient) -> None:
    answer = allowing.options("/module/register", headers={"Origin": PAGE} | PREFLIGHT)
    assert (answer.status_code, answer.data, allowed(answer)) == (204, b"", PAGE)
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("origin", ["https://pages.example", "http://pages.example:8443", "null"])
def test_other_pages_may_not(allowing: FlaskClient, origin: str) -> None:
    answer = allowing.get("/module/online", headers={"Origin": origin})
    assert (answer.status_code, allowed(answer)) == (200, None)
    assert answer.headers["Vary"] == "Origin"  # a cache keeps this answer for this page alone
    preflight = allowing.options("/module/register", headers={"Origin": origin} | PREFLIGHT)
    assert (preflight.status_code, allowed(preflight)) == (405, None)


def test_a_star_lets_any_page_call(settings: Settings, store: Store) -> None:
    anyone = create_app(replace(settings, cors_origins=("*",)), store).test_client()
    assert allowed(anyone.get("/module/online", headers={"Origin": PAGE})) == "*"
    assert allowed(anyone.get("/module/online")) is None

"""nginx.conf in a real nginx: where requests go, and whatever nginx says itself is the envelope."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

HASH = "a1" * 32
UPGRADE = ("Upgrade: websocket",)


def test_passes_a_request_on_as_it_came(nginx: Any) -> None:
    answer = nginx.get("/module//register?name=a%2Fb&x=%20")
    assert answer.json["path"] == "/module//register?name=a%2Fb&x=%20"
    assert answer.json["upstream"] == "api"
    assert answer.json["headers"]["Host"] == "platform.test"


def test_tells_the_api_the_real_address_whatever_the_client_claims(nginx: Any) -> None:
    claims = ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil", "Forwarded: for=1.2.3.4")
    headers = nginx.get("/", *claims).json["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert "X-Forwarded-Host" not in headers
    assert "Forwarded" not in headers


def test_names_the_request_unless_the_client_did(nginx: Any) -> None:
    assert nginx.get("/", "X-Request-ID: mine").json["headers"]["X-Request-ID"] == "mine"
    assert len(nginx.get("/").json["headers"]["X-Request-ID"]) == 32


def test_passes_304_and_the_entity_tag_through(nginx: Any) -> None:
    answer = nginx.get("/not-modified", 'If-None-Match: W/"1"')
    assert (answer.status, answer.headers["etag"], answer.body) == (304, 'W/"1"', b"")


def test_compresses_large_answers_for_those_who_can_read_it(nginx: Any) -> None:
    long = f"X-Long: {'load ' * 5000}"
    whole = nginx.get("/module/list", long)
    small = nginx.get("/module/list", "Accept-Encoding: gzip")
    assert [answer.headers.get("content-encoding") for answer in (whole, small)] == [None, None]
    packed = nginx.get("/module/list", long, "Accept-Encoding: gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["vary"]
    assert len(packed.body) * 10 < len(whole.body)


def test_leaves_the_answers_of_the_api_and_of_wsd_alone(nginx: Any) -> None:
    for path in ("/refuse", "/websocket?hash=refuse"):
        answer = nginx.get(path)
        assert answer.envelope == (404, "3003")
        assert answer.json["message"] == "unknown"


def test_serves_a_client_of_http_1_0_without_host(nginx: Any) -> None:
    assert nginx.send(b"GET /old HTTP/1.0\r\n\r\n").json["path"] == "/old"


@pytest.mark.parametrize("path", ["/%zz", "/..%2f..%2f", "/../../etc", "/a b", "/\x01"])
def test_refuses_broken_addresses_with_the_envelope(nginx: Any, path: str) -> None:
    assert nginx.get(path).envelope == (400, "3002")


@pytest.mark.parametrize("request_bytes", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"hello\r\n\r\n"])
def test_refuses_what_is_not_http(nginx: Any, request_bytes: bytes) -> None:
    assert nginx.send(request_bytes).envelope == (400, "3002")


def test_refuses_transfer_codings_and_versions_that_it_does_not_know(nginx: Any) -> None:
    coding = nginx.get("/", "Transfer-Encoding: chunked, gzip", method="POST")
    assert coding.envelope == (501, "3002")
    assert nginx.send(b"GET / HTTP/3.0\r\nHost: x\r\n\r\n").envelope == (505, "3002")


def test_refuses_a_request_without_host(nginx: Any) -> None:
    assert nginx.send(b"GET / HTTP/1.1\r\n\r\n").envelope == (400, "3002")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "FOO", "A"])
def test_refuses_methods_that_the_api_does_not_know(nginx: Any, method: str) -> None:
    assert nginx.get("/module/register", method=method).envelope == (405, "3002")


def test_takes_16_megabytes_and_refuses_17(nginx: Any) -> None:
    assert nginx.get("/x", method="POST", body=b"x" * 16 * 2**20).status == 200
    refused = nginx.get("/x", method="POST", body=b"x" * 17 * 2**20)
    assert refused.envelope == (413, "3002")


def test_takes_a_long_registration_and_refuses_longer_ones(nginx: Any) -> None:
    assert nginx.get("/module/register?x=" + "a" * 60_000).status == 200
    assert nginx.get("/module/register?x=" + "a" * 300_000).envelope == (414, "3002")
    assert nginx.get("/", "X: " + "a" * 300_000).envelope == (431, "3002")
    assert nginx.get("/websocket?hash=" + "a" * 300_000).envelope == (414, "3002")


@pytest.mark.parametrize("path", ["/metrics", "/statz", "//metrics", "/%6detrics", "/statz/x"])
def test_closes_the_figures_of_the_processes(nginx: Any, path: str) -> None:
    assert nginx.get(path).envelope == (404, "3003")


def test_does_not_show_its_internal_address(nginx: Any) -> None:
    assert nginx.get("/.envelope").envelope == (404, "3003")


def test_says_so_when_the_api_is_away_and_finds_it_again(nginx: Any) -> None:
    nginx.api.stop()
    answer = nginx.get("/module/online")
    assert answer.envelope == (502, "3001")
    assert answer.headers["retry-after"] == "2"
    nginx.api.start()
    assert nginx.get("/module/online").status == 200


def test_joins_a_socket_with_wsd_both_ways(nginx: Any) -> None:
    assert talk(nginx, HASH) in (b"wsd_0:ping", b"wsd_1:ping")


def test_brings_the_connections_of_a_module_to_one_wsd(nginx: Any) -> None:
    assert len({talk(nginx, HASH) for _ in range(10)}) == 1
    assert len({talk(nginx, f"{n:064}") for n in range(40)}) == 2


def test_fails_over_to_another_wsd_at_once_and_comes_back(nginx: Any) -> None:
    home = talk(nginx, HASH)
    mine = nginx.wsd[int(home[4:5])]
    mine.stop()
    started = time.monotonic()
    others = {talk(nginx, HASH) for _ in range(10)}
    assert len(others) == 1
    assert home not in others
    assert time.monotonic() - started < 1
    mine.start()
    assert talk(nginx, HASH) == home


def test_hands_a_module_on_from_a_wsd_that_is_cut_off_from_the_database(nginx: Any) -> None:
    home = talk(nginx, HASH)
    mine = nginx.wsd[int(home[4:5])]
    mine.is_cut_off = True
    assert len({talk(nginx, HASH), home}) == 2
    mine.is_cut_off = False
    assert talk(nginx, HASH) == home


@pytest.mark.parametrize("are_cut_off", [[True, True], [True, False]])
def test_passes_the_last_refusal_on_in_its_own_words(nginx: Any, are_cut_off: list[bool]) -> None:
    for wsd, is_cut_off in zip(nginx.wsd, are_cut_off, strict=True):
        wsd.is_cut_off = is_cut_off
        if not is_cut_off:
            wsd.stop()
    answer = nginx.get(f"/websocket?hash={HASH}", *UPGRADE)
    assert answer.envelope == (503, "5003")


def test_a_lone_wsd_refuses_in_its_own_words(start_nginx: Callable[..., Any]) -> None:
    nginx = start_nginx(wsd_processes=1)
    nginx.wsd[0].is_cut_off = True
    answer = nginx.get(f"/websocket?hash={HASH}", *UPGRADE)
    assert answer.json["message"] == "wsd_0 is cut off"
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")


def test_asks_modules_to_come_back_when_no_wsd_is_up(nginx: Any) -> None:
    for wsd in nginx.wsd:
        wsd.stop()
    answer = nginx.get(f"/websocket?hash={HASH}", *UPGRADE)
    assert answer.envelope == (503, "5003")
    assert answer.headers["retry-after"] == "2"
    nginx.wsd[0].start()
    assert talk(nginx, HASH) == b"wsd_0:ping"


def test_limits_the_connections_of_one_address_when_told_to(
    start_nginx: Callable[..., Any],
) -> None:
    nginx = start_nginx(max_connections_per_address=2)
    with open_socket(nginx, HASH), open_socket(nginx, HASH):
        answer = nginx.get(f"/websocket?hash={HASH}", *UPGRADE)
        assert answer.envelope == (429, "4029")
        assert answer.headers["retry-after"] == "30"
    time.sleep(0.2)
    assert talk(nginx, HASH).endswith(b":ping")


def test_never_logs_a_hash(nginx: Any) -> None:
    path = f"/websocket?hash={HASH}"
    nginx.get(path)
    nginx.wsd[0].stop()
    nginx.wsd[1].stop()
    nginx.get(path)
    nginx.get(path + "&" + "a" * 300_000)
    nginx.get("/refuse?hash=" + HASH)
    nginx.stop()
    lines = [json.loads(line) for line in nginx.access_lines()]
    assert [line["path"] for line in lines if line["status"] != 414][-2:] == [
        "/websocket",
        "/refuse",
    ]
    assert HASH not in "".join(nginx.access_lines())
    assert HASH not in nginx.errors()


def open_socket(nginx: Any, module_hash: str) -> Any:
    """Connect as a module does and return the open socket."""
    connection = nginx.connect()
    head = f"GET /websocket?hash={module_hash} HTTP/1.1\r\nHost: x\r\n"
    connection.sendall(head.encode() + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        received += connection.recv(1)
    assert received.startswith(b"HTTP/1.1 101 ")
    return connection


def talk(nginx: Any, module_hash: str) -> bytes:
    """Return what wsd says to a word through a new socket."""
    with open_socket(nginx, module_hash) as connection:
        connection.sendall(b"ping")
        answer: bytes = connection.recv(100)
        return answer

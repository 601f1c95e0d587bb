"""Messages over HTTP: sent once, kept as they were written, refused in one sentence."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from shared.clock import utc_now
from shared.domain.actor import ANONYMOUS
from shared.domain.ids import MessageId
from shared.domain.message import QUEUE_MAX, MessageStatus
from shared.domain.module import Module
from shared.services.registration import register_module
from shared.store import Store
from tests.api.conftest import OnlineMaker
from tests.support.builders import make_message, make_registration
from tests.support.tampering import remove_module

SEND = "/module/send_message"


@pytest.fixture
def module(store: Store) -> Module:
    return register_module(store, make_registration(name="load"), utc_now()).module


def test_an_earlier_client_sends_by_number(
    client: FlaskClient, store: Store, module: Module
) -> None:
    text = '{"type":"multiple_test","data":[1,2,3]}'
    answer = client.post(SEND, data={"module_id": str(module.module_id), "message": text})
    assert answer.status_code == 200
    assert answer.json["code"] == "2000"
    result = answer.json["result"]
    assert {key: result[key] for key in ("message", "module_id", "module_name")} == {
        "message": text,
        "module_id": module.module_id,
        "module_name": "load",
    }
    stored = store.messages.get(result["message_id"])
    assert stored is not None
    assert orjson.loads(stored.content) == text
    assert (stored.sender, stored.timeout_seconds) == (ANONYMOUS, 7200)


def test_an_earlier_client_byte_for_byte(client: FlaskClient, module: Module) -> None:
    body = (
        b"module_id=1&message=%7B%22type%22%3A+%22multiple_test%22%2C+%22x%22%3A+%22%E8%B4%9F%22%7D"
    )
    answer = client.post(SEND, data=body, content_type="application/x-www-form-urlencoded")
    assert answer.data.startswith(
        '{"code":"2000","message":"成功!","result":{'
        '"message":"{\\"type\\": \\"multiple_test\\", \\"x\\": \\"负\\"}",'
        '"module_id":1,"module_name":"load",'.encode()
    )


@pytest.mark.parametrize("word", ["module_hash", "module_id", "module"])
@pytest.mark.parametrize("how", ["data", "json", "query_string"])
def test_a_module_is_named_in_every_way(
    client: FlaskClient, module: Module, how: str, word: str
) -> None:
    value = module.name if word == "module" else getattr(module, word)
    answer = client.post(SEND, **{how: {word: value, "message": "hello"}})
    assert answer.json["result"]["message"] == "hello"
    assert answer.json["result"]["module_hash"] == module.module_hash


def test_an_offline_module_gets_it_later_and_an_online_one_at_once(
    client: FlaskClient, module: Module, connect_module: OnlineMaker
) -> None:
    online = connect_module(name="online")
    said = [
        client.post(SEND, json={"module_id": m.module_id, "message": {}}).json["result"]
        for m in (module, online)
    ]
    assert [result["delivery"] for result in said] == ["queued", "pushed"]
    assert [result["status"] for result in said] == ["queued", "queued"]


def test_a_duplicate_says_whether_it_has_left_the_queue(
    client: FlaskClient, connect_module: OnlineMaker
) -> None:
    order = {"module_id": connect_module(name="online").module_id, "message": {}}
    deliveries = [
        client.post(SEND, json=order | {"message_id": "m1"}).json["result"]["delivery"]
        for _ in range(2)
    ]
    assert deliveries == ["pushed", "queued"]


@pytest.mark.parametrize(
    "content",
    [
        '{"b": 1, "a" : [1.0, 1e5, 0.10, 18446744073709551616],\n "c": null}',
        '{"$set":{"a.b":1},"":2}',
        '"text with \\u4f60 and \\ud83d\\ude00"',
        "[9007199254740993, 0.123456789012345678901234567890, -0.0, 1e-400]",
        "[" * 64 + "]" * 64,
        '"{no JSON, {} but text} [[["',
        '"12345678901234567890123 NaN 1e999"',
        "1.50",
        "[]",
        "false",
        '  {"x":"}\\"]"}  ',
    ],
)
def test_json_is_kept_as_it_was_written(
    client: FlaskClient, store: Store, module: Module, content: str
) -> None:
    body = f'{{ "module_id" : {module.module_id} , "message": {content}, "priority":5}}'
    answer = client.post(SEND, data=body, content_type="application/json")
    assert answer.status_code == 200, answer.json
    message_id = answer.json["result"]["message_id"]
    found = store.messages.newest(module.module_hash, utc_now())
    whole = store.messages.read(message.id for message in found)
    assert [message.content for message in whole.values()] == [content.strip()]
    assert f'"message":{content.strip()},'.encode() in answer.data
    shown = client.get(f"/message/{message_id}")
    assert f'"message":{content.strip()},'.encode() in shown.data


UNREADABLE = {
    "9" * 5000: "has the number 9999",
    "1e999": "has the number 1e999, which no 64-bit float can hold",
    '{"a":1,"b":{"x":1,"x":2}}': "has the key 'x' more than once",
    '["\\ud800"]': "contains half a surrogate pair",
    '{"\\udc00":1}': "contains half a surrogate pair",
    '{"a":"\\u0000"}': "contains the character NUL",
    "[" * 65 + "]" * 65: "is nested more than 64 levels deep",
    '{"a":' * 500 + "1" + "}" * 500: "is nested more than 64 levels deep",
}


@pytest.mark.parametrize(("content", "problem"), UNREADABLE.items())
def test_what_ordinary_readers_cannot_read_is_refused(
    client: FlaskClient, store: Store, module: Module, content: str, problem: str
) -> None:
    body = f'{{"module_id":{module.module_id},"message":{content}}}'
    answer = client.post(SEND, data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert answer.json["message"].startswith(f"message {problem}")
    assert list(store.messages.newest(module.module_hash, utc_now())) == []


@pytest.mark.parametrize("how", ["data", "json"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [*UNREADABLE.items(), ("[" * 50_000, "is nested more than 64 levels deep")][2:],
)
def test_nor_is_a_text_taken_that_holds_such(
    client: FlaskClient, module: Module, how: str, content: str, problem: str
) -> None:
    answer = client.post(SEND, **{how: {"module_id": module.module_id, "message": content}})
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert answer.json["message"].startswith(f"message is a text of JSON that {problem}")


def test_a_text_that_is_no_json_stays_a_text(client: FlaskClient, module: Module) -> None:
    for text in ("1e999", "9" * 5000, "[NaN]", "{a}", "[1,", '{"a":"\\ud800"', "[[["):
        answer = client.post(SEND, data={"module_id": module.module_id, "message": text})
        assert answer.json["result"]["message"] == text


def test_the_same_id_is_the_same_answer(client: FlaskClient, module: Module) -> None:
    words = {"module_id": module.module_id, "message": {"a": 1}, "message_id": "order-7"}
    first, again = (client.post(SEND, json=words).json["result"] for _ in range(2))
    assert (first.pop("duplicate"), again.pop("duplicate")) == (False, True)
    assert first == again


def test_the_header_gives_the_id_too(client: FlaskClient, module: Module) -> None:
    form = {"module_id": module.module_id, "message": "hello"}
    said = [
        client.post(SEND, data=form, headers={"Idempotency-Key": "order-7"}).json["result"],
        client.post(SEND, data=form | {"message_id": "order-7"}).json["result"],
    ]
    assert [result["duplicate"] for result in said] == [False, True]


@pytest.mark.parametrize("header", ["other", "a/b", "é"])
def test_a_header_that_makes_no_sense(client: FlaskClient, module: Module, header: str) -> None:
    words = {"module_id": module.module_id, "message": 1, "message_id": "order-7"}
    answer = client.post(SEND, json=words, headers={"Idempotency-Key": header})
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert "Idempotency-Key" in answer.json["message"]


def test_the_same_id_for_something_else(client: FlaskClient, module: Module) -> None:
    words = {"module_id": module.module_id, "message": {"a": 1}, "message_id": "order-7"}
    client.post(SEND, json=words)
    answer = client.post(SEND, json=words | {"message": {"a": 2}})
    assert (answer.status_code, answer.json["code"]) == (409, "3004")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"message": None}, "message is required"),
        ({"module_id": None}, "module_id"),
        ({"module_id": "first"}, "module_id must be a whole number"),
        ({"module_id": 2**63}, "module_id"),
        ({"module_hash": "0" * 64}, "module_hash must not be given beside module_id"),
        ({"missionKind": "load"}, "missionKind must not be given beside module_id"),
        ({"message": "x" * 256 * 1024}, "message is larger than 256 KiB"),
        ({"message_id": "a b"}, "message_id must be 1 to 128 letters"),
        ({"message_id": ""}, "message_id must be 1 to 128 letters"),
        ({"message_id": "x" * 129}, "message_id"),
        ({"message_id": "7-20261121T093000.0.1"}, "message_id looks like"),
        ({"message_id": "order-7~2"}, "message_id ends with ~ and a number"),
        ({"useful_until": "tomorrow"}, "useful_until must be a time with a zone"),
        ({"useful_until": "2026-11-21T10:00:00"}, "useful_until must be a time with a zone"),
        ({"useful_until": 7}, "useful_until must be a time with a zone"),
        ({"useful_until": "2020-01-01T00:00:00Z"}, "useful_until lies in the past"),
        ({"useful_until": "9999-01-01T00:00:00Z"}, "useful_until must not be more than 30 days"),
        ({"timeout_seconds": 0}, "timeout_seconds must be from 1"),
        ({"priority": -1}, "priority must be from 0"),
        ({"fallback": "load"}, "fallback must be a list"),
        ({"fallback": ["x"] * 21}, "fallback must not be more than 20"),
        ({"colour": "red"}, "colour is not known here"),
    ],
)
def test_bad_words_are_named(
    client: FlaskClient, module: Module, store: Store, words: dict[str, Any], named: str
) -> None:
    body = {"module_id": module.module_id, "message": 1} | words
    answer = client.post(SEND, json=body)
    assert (answer.status_code, answer.json["code"]) == (400, "3002"), answer.json
    assert named in answer.json["message"]
    assert store.messages.count_open(module.module_hash) == 0


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"message": "hello"},
        {"module_id": "1"},
        {"module_id": "1", "message": ""},
        {"module_id": "", "message": "hello"},
        {"module_id": "1.5", "message": "hello"},
    ],
    ids=range(6),
)
def test_an_earlier_client_that_says_too_little(
    client: FlaskClient, module: Module, form: dict[str, str]
) -> None:
    answer = client.post(SEND, data=form)
    assert (answer.status_code, answer.json["code"]) == (400, "3002")
    assert answer.json["result"] is None


@pytest.mark.parametrize("body", [b"{", b'{"message":NaN,"module_id":1}', b"\xff", b"[1]", b'"x"'])
def test_a_body_that_is_no_json_object(client: FlaskClient, body: bytes) -> None:
    answer = client.post(SEND, data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "3002")


@pytest.mark.parametrize(
    "target", [{"module_id": 99}, {"module_hash": "0" * 64}, {"module": "nobody"}]
)
def test_an_unknown_module(client: FlaskClient, target: dict[str, Any]) -> None:
    for how in ("data", "json"):
        answer = client.post(SEND, **{how: {**target, "message": "hello"}})
        assert (answer.status_code, answer.json["code"]) == (404, "3003")


def test_a_deleted_module(client: FlaskClient, module: Module, store: Store) -> None:
    form = {"module_id": module.module_id, "message": "hello"}
    assert client.post(SEND, data=form).status_code == 200
    remove_module(store, module.module_hash)
    answer = client.post(SEND, data=form)
    assert (answer.status_code, answer.json["code"]) == (404, "3003")


def test_a_disabled_module(client: FlaskClient, module: Module, store: Store) -> None:
    store.modules.set_enabled(module.module_hash, utc_now(), enabled=False)
    answer = client.post(SEND, data={"module_id": module.module_id, "message": "hello"})
    assert (answer.status_code, answer.json["code"]) == (409, "3004")
    assert "is disabled" in answer.json["message"]


def test_a_full_queue(client: FlaskClient, module: Module, store: Store) -> None:
    waiting = [make_message(id=f"m{n}", module_hash=module.module_hash) for n in range(QUEUE_MAX)]
    store.messages.insert(waiting)
    answer = client.post(SEND, data={"module_id": module.module_id, "message": "hello"})
    assert (answer.status_code, answer.json["code"]) == (429, "3006")
    assert int(answer.headers["Retry-After"]) > 0


def test_work_for_a_kind(client: FlaskClient, connect_module: OnlineMaker) -> None:
    words = {"missionKind": " load ", "message": {}}
    refused = client.post(SEND, json=words)
    assert (refused.status_code, refused.json["code"]) == (404, "3003")
    connect_module(name="here", mission_kind="load")
    result = client.post(SEND, json=words).json["result"]
    assert (result["module_name"], result["delivery"]) == ("here", "pushed")
    assert result["chosen_because"] == "the only one of its kind that is online"


def test_a_fallback_by_name(
    client: FlaskClient, module: Module, connect_module: OnlineMaker
) -> None:
    connect_module(name="here")
    words = {"module": "load", "fallback": ["here"], "message": {}}
    assert client.post(SEND, json=words).json["result"]["module_name"] == "here"


def test_a_message_shows_its_life(client: FlaskClient, module: Module) -> None:
    until = (utc_now() + timedelta(minutes=5)).isoformat()
    form = {"module_id": module.module_id, "message": "hello", "useful_until": until}
    message_id = client.post(SEND, data=form).json["result"]["message_id"]
    item = client.get(f"/message/{message_id}").json["result"]
    assert (item["module_name"], item["status"], item["attempt"]) == ("load", "queued", 0)
    assert item["useful_until"] == item["deadline_at"]
    assert item["message"] == "hello"
    assert item["sender"] == "anonymous"


@pytest.mark.parametrize("message_id", ["unknown", "%00", "x" * 300])
def test_a_message_that_does_not_exist(client: FlaskClient, message_id: str) -> None:
    answer = client.get(f"/message/{message_id}")
    assert (answer.status_code, answer.json["code"]) == (404, "3003")


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json
    return [item["message_id"] for item in answer.json["result"]]


def test_a_modules_messages_newest_first_in_pages(
    client: FlaskClient, module: Module, store: Store
) -> None:
    now = utc_now()
    ages = [timedelta(), timedelta(), timedelta(minutes=5), timedelta(hours=3), timedelta(days=200)]
    store.messages.insert(
        [
            make_message(id=f"m{n}", module_hash=module.module_hash, created_at=now - age)
            for n, age in enumerate(ages)
        ]
    )
    newest_first = ["m1", "m0", "m2", "m3", "m4"]
    assert ids(client.get("/module/load/messages")) == newest_first
    seen, address = [], "/module/load/messages?limit=2"
    while address:
        answer = client.get(address)
        seen += ids(answer)
        link = answer.headers.get("Link")
        address = link[1 : link.index(">")] if link else ""
    assert seen == newest_first


def test_a_modules_messages_by_status_and_time(
    client: FlaskClient, module: Module, store: Store
) -> None:
    now = utc_now()
    old = {"created_at": now - timedelta(hours=2), "useful_until": now}
    store.messages.insert(
        [
            make_message(
                id="done", module_hash=module.module_hash, status=MessageStatus.SUCCEEDED, **old
            ),
            make_message(id="old", module_hash=module.module_hash, **old),
            make_message(id="new", module_hash=module.module_hash, created_at=now),
            make_message(id="foreign", module_hash="0" * 64, created_at=now),
        ]
    )
    address = f"/module/{module.module_hash}/messages"
    assert ids(client.get(f"{address}?status=queued")) == ["new", "old"]
    hour_ago = (now - timedelta(hours=1)).isoformat()
    assert ids(client.get(address, query_string={"since": hour_ago})) == ["new"]
    assert ids(client.get(f"{address}?status=dead")) == []


@pytest.mark.parametrize(
    ("query", "status"),
    [("status=unknown", 400), ("limit=0", 400), ("since=yesterday", 400), ("after=nothing", 404)],
)
def test_a_question_that_makes_no_sense(
    client: FlaskClient, module: Module, query: str, status: int
) -> None:
    assert client.get(f"/module/load/messages?{query}").status_code == status


def test_messages_of_an_unknown_module(client: FlaskClient) -> None:
    assert client.get("/module/nobody/messages").status_code == 404
    assert client.get(f"{SEND}/messages").status_code == 404


def test_the_sender_of_a_message_id_may_read_it_back(client: FlaskClient, module: Module) -> None:
    message_id = MessageId("A.b_c:d@e+f=g~h-1")
    words = {"module_id": module.module_id, "message": 1, "message_id": message_id}
    client.post(SEND, json=words)
    assert client.get(f"/message/{message_id}").json["result"]["message_id"] == message_id

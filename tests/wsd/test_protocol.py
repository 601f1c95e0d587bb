"""The socket's words: strings in, values out."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsd import protocol
from wsd.protocol import Ack, Bye, Invalid, Pong, Report, parse


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (b'{"type":"pong"}', Pong()),
        (b'{"type":"ack","id":"m-1"}', Ack("m-1")),
        (b'{"type":"ack"}', Ack("")),
        (b'{"type":"bye"}', Bye("", "")),
        (b'{"type":"bye","reason":"deploy","back_by":"12:00"}', Bye("deploy", "12:00")),
        (b'{"type":"bye","reason":["deploy"],"back_by":{"a":null}}', Bye("", "")),
        (b'{"type":"bye","reason":null,"back_by":7}', Bye("", "")),
        (b'{"status":"success"}', Report({"status": "success"})),
        (b'{"type":7}', Report({"type": 7})),
        (b"{}", Report({})),
    ],
)
def test_a_json_object_is_taken_for_what_its_type_says(text: bytes, frame: object) -> None:
    assert parse(text) == frame


@pytest.mark.parametrize(
    "text", [b"", b"Heartbeat", b"[1]", b'"heartbeat"', b"1", b"null", b"{", b"[" * 2000, b"NaN"]
)
def test_what_is_not_a_json_object_is_invalid(text: bytes) -> None:
    frame = parse(text)
    assert isinstance(frame, Invalid)
    assert frame.problem.startswith("The frame is")


def test_a_bye_keeps_no_more_than_a_sentence() -> None:
    frame = parse(orjson.dumps({"type": "bye", "reason": "x" * 5000}))
    assert isinstance(frame, Bye)
    assert len(frame.reason) == 200


@given(st.binary())
def test_no_bytes_break_the_parser(data: bytes) -> None:
    parse(data)


def test_the_question_to_a_silent_module_names_its_time() -> None:
    frame = orjson.loads(protocol.encode_ping(datetime(2026, 3, 1, 12, tzinfo=UTC)))
    assert frame == {"type": "ping", "timestamp": "2026-03-01T12:00:00+00:00"}


def test_an_error_frame_has_the_code_for_invalid_data() -> None:
    frame = orjson.loads(protocol.encode_error("Not JSON."))
    assert frame == {"status": "error", "code": "3002", "message": "Not JSON."}

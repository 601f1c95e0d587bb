"""The socket's words: strings in, values out."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.result import ResultStatus
from wsd import protocol
from wsd.protocol import (
    Ack,
    Bye,
    Hello,
    Invalid,
    Pong,
    Progress,
    Report,
    ResultFrame,
    WorkName,
    parse,
)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (b'{"type":"pong"}', Pong()),
        (b'{"type":"ack","id":"m-1"}', Ack(WorkName("m-1"))),
        (b'{"type":"ack","meta":{"execution_id":"3-1"}}', Ack(WorkName("", "3-1"))),
        (b'{"type":"ack"}', Ack(WorkName())),
        (b'{"type":"hello","sdk":"py 1","acks":true,"in_flight":4}', Hello("py 1", True, 4)),
        (b'{"type":"hello","acks":"yes","in_flight":"many"}', Hello("", False, 1)),
        (
            b'{"type":"progress","id":"m-1","percent":40,"note":"fitted"}',
            Progress(WorkName("m-1"), 40.0, "fitted"),
        ),
        (b'{"type":"progress","id":7,"percent":true}', Progress(WorkName("7"), None, "")),
        (b'{"type":"bye"}', Bye("", "")),
        (b'{"type":"bye","reason":"deploy","back_by":"12:00"}', Bye("deploy", "12:00")),
        (b'{"type":"bye","reason":["deploy"],"back_by":{"a":null}}', Bye("", "")),
        (b'{"type":"bye","reason":null,"back_by":7}', Bye("", "")),
        (b'{"type":7}', Report(WorkName())),
        (b'{"id":"m-1","log":"x"}', Report(WorkName("m-1"), '{"id":"m-1","log":"x"}')),
        (b"{}", Report(WorkName())),
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


def read_result(text: bytes) -> ResultFrame:
    frame = parse(text)
    assert isinstance(frame, ResultFrame)
    return frame


def test_a_result_names_its_work_and_keeps_its_value_as_json() -> None:
    frame = read_result(b'{"type":"result","id":"m-1","status":"success","result":{"v":[1.0,2]}}')
    assert frame == ResultFrame(
        work=WorkName("m-1"), status=ResultStatus.SUCCESS, content='{"v":[1.0,2]}'
    )


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b'"success"', ResultStatus.SUCCESS),
        (b'"ok"', ResultStatus.SUCCESS),
        (b"200", ResultStatus.SUCCESS),
        (b'["failure"]', ResultStatus.SUCCESS),
        (b'"failure"', ResultStatus.FAILURE),
        (b'"failed"', ResultStatus.FAILURE),
        (b'"error"', ResultStatus.FAILURE),
        (b'"fail"', ResultStatus.FAILURE),
        (b'"cancelled"', ResultStatus.CANCELLED),
    ],
)
def test_whatever_has_a_status_is_a_result(said: bytes, status: ResultStatus) -> None:
    assert read_result(b'{"id":"m-1","status":%b}' % said).status is status


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b'"error":"no data","message":"later"', "no data"),
        (b'"error":"","message":"no data"', "no data"),
        (b'"error_message":"no data"', "no data"),
        (b'"error":{"code":7}', '{"code":7}'),
        (b'"note":"no text"', None),
    ],
)
def test_a_failures_text_is_the_first_that_it_gives(said: bytes, error: str | None) -> None:
    assert read_result(b'{"status":"failed","execution_id":"3-1",%b}' % said).error == error


def test_an_earlier_clients_result_is_all_that_it_says_beside_the_names() -> None:
    frame = read_result(
        b'{"status":"success","message":"done","meta":{"execution_id":"3-1","workflow_id":3},'
        b'"module_name":"load","workflow_name":"w","forecast":[1,2]}'
    )
    assert frame.work == WorkName("", "3-1")
    assert frame.content == '{"message":"done","forecast":[1,2]}'
    assert frame.error is None


def test_a_result_without_a_value_has_no_content() -> None:
    assert read_result(b'{"type":"result","id":"m-1"}').content is None
    assert read_result(b'{"type":"result","id":"m-1","result":null}').content is None


def test_nan_and_infinity_become_null_and_that_is_said() -> None:
    frame = read_result(b'{"type":"result","id":"m-1","result":[NaN,-Infinity,1,"NaN"]}')
    assert frame.content == '[null,null,1,"NaN"]'
    assert frame.remark == "NaN and Infinity are no JSON: each became null."
    assert read_result(b'{"type":"result","id":"m-1","result":"NaN"}').remark is None


@pytest.mark.parametrize(
    "text",
    [
        b'{"status":"ok","result":"\\ud800"}',
        b'{"status":"ok","result":[NaN,"\\ud800"]}',
        b'{"status":"ok","result":"\xff"}',
        b'{"status":"ok","result":NaN,"id":"\xff"}',
        b'{"status":"ok","result":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"status":"ok","result":' + b"[" * 5000 + b"NaN" + b"]" * 5000 + b"}",
    ],
)
def test_a_result_that_is_no_json_even_so_is_invalid(text: bytes) -> None:
    assert isinstance(parse(text), Invalid)


def test_a_number_beyond_64_bits_is_kept_as_a_double() -> None:
    frame = read_result(b'{"status":"ok","result":[NaN,123456789012345678901234567890]}')
    assert frame.content == "[null,1.2345678901234568e+29]"


def test_how_long_to_wait_before_the_next_try_may_be_said() -> None:
    assert read_result(b'{"status":"failed","retry_after_s":30}').retry_after_seconds == 30.0
    assert read_result(b'{"status":"failed","retry_after_s":1e300}').retry_after_seconds is None


DEEP = b'{"a":' * 300 + b"[]" + b"}" * 300


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b'{"type":"result","id":"m-1","status":"failure","error":%b}', "result"),
        (b'{"type":"result","id":"m-1","status":"success","result":%b}', "result"),
        (b'{"status":"failed","execution_id":"3-1","forecast":%b}', "result"),
        (b'{"id":"m-1","log":%b}', "frame"),
        (b'{"meta":{"execution_id":"3-1"},"log":%b}', "frame"),
    ],
)
def test_what_is_nested_too_deep_to_be_kept_is_invalid(text: bytes, what: str) -> None:
    problem = f"The {what} is nested too deep, or has a text that is not UTF-8."
    assert parse(text % DEEP) == Invalid(problem)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (b'{"type":"ack","id":"m-1","a":%b}', Ack(WorkName("m-1"))),
        (b'{"type":"bye","reason":%b}', Bye("", "")),
        (b'{"log":%b}', Report(WorkName())),
    ],
)
def test_what_is_not_kept_may_be_nested_deep(text: bytes, frame: object) -> None:
    assert parse(text % DEEP) == frame


@pytest.mark.parametrize("content", ['"text"', '{"a": 1.0,  "b":"\\u00e9"}', "[1,\n2]"])
def test_work_goes_out_exactly_as_it_was_given(content: str) -> None:
    frame = protocol.encode_work("m-1", 2, content)
    assert frame == b'{"id":"m-1","attempt":2,"message":%b}' % content.encode()
    assert orjson.loads(frame)["message"] == orjson.loads(content)


def test_a_cancel_names_the_message() -> None:
    assert orjson.loads(protocol.encode_cancel("m-1")) == {"type": "cancel", "id": "m-1"}

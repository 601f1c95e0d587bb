"""What modules say about their work: stored first, then answered, once each."""

import orjson
import pytest
from pymongo.errors import AutoReconnect

from shared.domain.event import Subject, SubjectKind
from shared.domain.execution import StepStatus
from shared.domain.ids import ExecutionId, MessageId
from shared.domain.message import EndReason, MessageStatus
from shared.domain.result import Result, ResultStatus, end_of_message
from tests.support.builders import NOON, make_execution, make_step_run, make_step_try
from tests.support.work_desk import WorkDesk, hear, result_of, say
from wsd import batch_writer, inbox


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_writer, "PAUSE_AFTER_FAILURE_SECONDS", 0)


def result(desk: WorkDesk, message_id: str) -> Result:
    found = desk.store.results.get(MessageId(message_id))
    assert found is not None
    return found


async def test_a_result_is_answered_only_when_it_is_stored(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    hear(connection)
    say(connection, result_of("a"))
    assert hear(connection) == []
    await desk.write()
    assert hear(connection) == ["receive result"]
    assert (result(desk, "a").content, result(desk, "a").is_by_module) == ('{"v":1}', True)
    assert desk.read("a").status is MessageStatus.SUCCEEDED


async def test_the_same_result_again_is_answered_and_changes_nothing(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    hear(connection)
    for _ in range(3):
        say(connection, result_of("a"))
        await desk.write()
    say(connection, result_of("a"))
    say(connection, result_of("a"))
    await desk.write()
    assert hear(connection) == ["receive result"] * 5
    assert result(desk, "a").late == ()


async def test_another_result_is_kept_beside_the_first(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    hear(connection)
    say(connection, result_of("a"))
    for _ in range(2):
        say(connection, result_of("a", status="failed", error="after all", result=None))
        await desk.write()
    assert hear(connection) == ["receive result"] * 3
    stored = result(desk, "a")
    assert stored.status is ResultStatus.SUCCESS
    assert [(late.status, late.error) for late in stored.late] == [
        (ResultStatus.FAILURE, "after all")
    ]
    assert desk.read("a").status is MessageStatus.SUCCEEDED


async def test_a_result_after_the_platform_gave_up_is_late(desk: WorkDesk) -> None:
    (message,) = desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    over = end_of_message(message, ResultStatus.TIMED_OUT, NOON, EndReason.NO_RESULT)
    desk.inbox.end(over)
    await desk.write()
    say(connection, result_of("a"))
    await desk.write()
    assert result(desk, "a").status is ResultStatus.TIMED_OUT
    assert [late.content for late in result(desk, "a").late] == ['{"v":1}']
    assert desk.read("a").status is MessageStatus.TIMED_OUT


@pytest.mark.parametrize("message_id", ["a", "unknown"])
async def test_a_foreign_or_unknown_message_is_refused_by_name(
    desk: WorkDesk, message_id: str
) -> None:
    desk.send("a")
    desk.connect()
    await desk.dispatch()
    charlie = desk.connect(module_hash="c" * 64)
    hear(charlie)
    say(charlie, result_of(message_id))
    await desk.write()
    (error,) = map(orjson.loads, hear(charlie))
    assert (error["status"], error["code"]) == ("error", "3002")
    assert repr(message_id) in error["message"]
    assert desk.store.results.get(MessageId(message_id)) is None
    assert charlie.is_open()


async def test_an_earlier_client_hears_its_one_answer_whatever_execution_it_names(
    desk: WorkDesk,
) -> None:
    connection = desk.sockets.hold("a" * 64, session="earlier")
    say(connection, '{"status":"success","execution_id":"1"}')
    await desk.write()
    assert hear(connection) == ["receive result"]


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_result_may_name_its_execution(desk: WorkDesk, is_known: bool) -> None:
    execution = ExecutionId("7-20260301T120000")
    sent = make_step_try(message_id=f"{execution}.0.1")
    run = make_step_run(status=StepStatus.SENT, tries=(sent,))
    desk.store.executions.insert([make_execution(id=execution, steps=(run,))])
    desk.send(sent.message_id, execution_id=execution)
    connection = desk.connect()
    await desk.dispatch()
    hear(connection)
    if not is_known:  # it was sent in an earlier session
        assert connection.work is not None
        connection.work.open.clear()
    say(connection, f'{{"status":"success","meta":{{"execution_id":"{execution}"}},"load":[1]}}')
    await desk.write()
    assert hear(connection) == ["receive result"]
    assert result(desk, f"{execution}.0.1").content == '{"load":[1]}'


async def test_a_result_about_nothing_is_answered_and_not_kept(desk: WorkDesk) -> None:
    connection = desk.connect()
    say(connection, '{"status":"success","message":"I am fine"}')
    assert hear(connection) == ["receive result"]
    assert desk.inbox.count_waiting() == 0


async def test_progress_is_noted_and_counts_as_an_acknowledgement(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    for percent in (20, 40):
        say(connection, f'{{"type":"progress","id":"a","percent":{percent},"note":"fitted"}}')
    await desk.write()
    message = desk.read("a")
    assert message.status is MessageStatus.ACKED
    assert message.progress is not None
    assert (message.progress.percent, message.progress.note) == (40.0, "fitted")


async def test_any_other_word_about_ones_work_is_recorded(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    hear(connection)
    say(connection, '{"id":"a","log":"warming up","$odd.key":1}')
    say(connection, '{"id":"unknown","log":"whatever"}')
    assert hear(connection) == ["receive result"] * 2
    await desk.write()
    subject = Subject(kind=SubjectKind.MESSAGE, id="a")
    (event,) = desk.store.events.find(subject=subject)
    assert (event.what, "warming up" in event.detail["text"]) == ("said", True)
    assert desk.read("a").status is MessageStatus.ACKED


async def test_nan_is_stored_as_null_and_said_so(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    say(connection, '{"type":"result","id":"a","status":"success","result":[NaN,1]}')
    await desk.write()
    assert result(desk, "a").content == "[null,1]"
    assert result(desk, "a").remark == "NaN and Infinity are no JSON: each became null."


async def test_a_result_of_10_mb_is_stored_and_one_beyond_the_databases_limit_refused(
    desk: WorkDesk,
) -> None:
    desk.send("a", "b")
    connection = desk.connect(in_flight=2)
    await desk.dispatch()
    hear(connection)
    say(connection, result_of("a", result="x" * 10_000_000))
    await desk.write()
    assert hear(connection) == ["receive result"]
    assert len(result(desk, "a").content or "") == 10_000_002
    say(connection, result_of("b", result="x" * 16_000_000))
    (error,) = map(orjson.loads, hear(connection))
    assert error["message"] == "The result of 'b' is larger than 15 MiB."
    assert desk.read("b").status is MessageStatus.SENT


async def test_results_wait_while_the_database_is_away_and_their_socket_is_not_read(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "SHARE_BYTES", 2000)
    desk.send("a", "b", "c", "d", "e")
    connection = desk.connect(in_flight=5)
    polite = desk.connect(module_hash="b" * 64)
    await desk.dispatch()
    hear(connection)
    insert = desk.store.results.insert

    def fail(results: object) -> int:
        raise AutoReconnect

    monkeypatch.setattr(desk.store.results, "insert", fail)
    for message_id in "abcde":
        say(connection, result_of(message_id))
    await desk.inbox.write_one_batch()
    assert hear(connection) == []
    assert connection._transport.is_paused
    assert not polite._transport.is_paused
    desk.sockets.seconds += 80
    await desk.inbox.keep_held_alive()
    assert connection.session is not None
    assert connection.session.last_heartbeat_at == desk.sockets.clock.now()
    monkeypatch.setattr(desk.store.results, "insert", insert)
    await desk.write()
    assert hear(connection) == ["receive result"] * 5
    assert not connection._transport.is_paused


async def test_answers_come_in_the_order_of_what_they_answer(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer names nothing: a client that forgot another result than the stored would lose it."""
    desk.send("a", "b")
    connection = desk.connect(in_flight=2)
    await desk.dispatch()
    hear(connection)
    said = (result_of("a"), '{"note":"any"}', '{"status":"ok"}', result_of("?"), result_of("b"))
    for text in said:
        say(connection, text)
    assert hear(connection) == []
    insert, is_away = desk.store.results.insert, [False, True, True]

    def fail_at_first(results: list[Result]) -> int:
        if len(results) > 1:
            raise ValueError
        if is_away and is_away.pop(0):
            raise AutoReconnect
        return insert(results)

    monkeypatch.setattr(desk.store.results, "insert", fail_at_first)
    await desk.inbox.write_one_batch()  # refused as a whole, then interrupted
    monkeypatch.setattr(desk.store.results, "insert", insert)
    await desk.write()
    answers = hear(connection)
    assert [text.startswith("{") for text in answers] == [False, False, False, True, False]
    assert desk.read("b").status is MessageStatus.SUCCEEDED


async def test_results_of_a_session_that_has_ended_are_stored(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    say(connection, result_of("a"))
    connection.abort()
    await desk.write()
    assert result(desk, "a").status is ResultStatus.SUCCESS


async def test_what_the_database_refuses_for_good_spoils_nothing_else(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.send("a", "b")
    connection = desk.connect(in_flight=2)
    await desk.dispatch()
    hear(connection)
    insert = desk.store.results.insert

    def refuse(results: list[Result]) -> int:
        if any(one.message_id == "a" for one in results):
            raise ValueError
        return insert(results)

    monkeypatch.setattr(desk.store.results, "insert", refuse)
    say(connection, result_of("a"))
    say(connection, result_of("b"))
    await desk.write()
    error, answer = hear(connection)
    assert orjson.loads(error)["message"] == "The result of 'a' cannot be stored."
    assert answer == "receive result"


async def test_hundreds_of_results_are_a_few_batches(desk: WorkDesk) -> None:
    ids = [f"m-{n}" for n in range(300)]
    desk.send(*ids)
    connection = desk.connect(in_flight=300)
    await desk.dispatch()
    hear(connection)
    for message_id in ids:
        say(connection, result_of(message_id))
    batches = 0
    while desk.inbox.count_waiting():
        await desk.inbox.write_one_batch()
        batches += 1
    assert hear(connection) == ["receive result"] * 300
    assert batches <= 8


async def test_what_is_said_about_one_message_fills_no_history(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsd.work_frames.SAID_KEPT", 3)
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    hear(connection)
    for n in range(5):
        say(connection, f'{{"id":"a","log":{n}}}')
    assert hear(connection) == ["receive result"] * 5
    await desk.write()
    subject = Subject(kind=SubjectKind.MESSAGE, id="a")
    said = {event.detail["text"] for event in desk.store.events.find(subject=subject)}
    assert said == {f'{{"id":"a","log":{n}}}' for n in range(3)}


async def test_one_socket_that_says_much_makes_no_other_wait_for_long(desk: WorkDesk) -> None:
    desk.send("a")
    talker = desk.connect(module_hash="c" * 64)
    polite = desk.connect()
    await desk.dispatch()
    hear(talker), hear(polite)
    for n in range(300):
        say(talker, result_of(f"unknown-{n}"))
    say(polite, result_of("a"))
    await desk.inbox.write_one_batch()
    assert hear(polite) == ["receive result"]
    await desk.write()
    answers = [orjson.loads(text)["message"].split("'")[1] for text in hear(talker)]
    assert answers == [f"unknown-{n}" for n in range(300)]

"""Progress: the latest word counts, and no flood of words holds up results."""

import pytest
from pymongo.errors import AutoReconnect

from shared.domain.message import MessageStatus, Told
from tests.support.work_desk import WorkDesk, hear, result_of, say


@pytest.fixture
def written(desk: WorkDesk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages whose progress was written, in order."""
    ids: list[str] = []
    write = desk.store.deliveries.note_progress

    def note(told: list[Told]) -> None:
        ids.extend(one.message_id for one in told)
        write(told)

    monkeypatch.setattr(desk.store.deliveries, "note_progress", note)
    return ids


def told(message_id: str, percent: int = 40) -> str:
    return f'{{"type":"progress","id":"{message_id}","percent":{percent}}}'


def percent_of(desk: WorkDesk, message_id: str) -> float | None:
    progress = desk.read(message_id).progress
    return progress.percent if progress else None


async def test_a_flood_about_unknown_work_is_one_write_and_holds_up_no_result(
    desk: WorkDesk, written: list[str]
) -> None:
    desk.send("a")
    connection = desk.connect()
    flooder = desk.connect(module_hash="c" * 64)
    await desk.dispatch()
    hear(connection)
    for n in range(5000):
        say(flooder, told(f"unknown-{n}"))
    say(connection, result_of("a"))
    await desk.inbox.write_one_batch()
    assert hear(connection) == ["receive result"]
    assert written == []
    await desk.write()
    assert written == ["unknown-4999"]


async def test_a_flood_about_open_work_is_one_write_a_tick(
    desk: WorkDesk, written: list[str]
) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    for percent in range(100):
        say(connection, told("a", percent))
    await desk.write()
    assert written == ["a"]
    assert percent_of(desk, "a") == 99


async def test_work_of_an_earlier_session_is_still_told_about(desk: WorkDesk) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    say(connection, '{"type":"ack","id":"a"}')
    await desk.write()
    assert connection.work is not None
    connection.work.open.clear()
    say(connection, told("a"))
    await desk.write()
    assert percent_of(desk, "a") == 40


async def test_what_has_ended_gets_no_progress_any_more(desk: WorkDesk, written: list[str]) -> None:
    desk.send("a")
    connection = desk.connect()
    await desk.dispatch()
    say(connection, told("a"))
    say(connection, result_of("a"))
    await desk.write()
    assert written == []
    assert desk.read("a").status is MessageStatus.SUCCEEDED


async def test_a_progress_may_name_its_execution(desk: WorkDesk) -> None:
    desk.send("a", execution_id="7-1")
    connection = desk.connect()
    await desk.dispatch()
    say(connection, '{"type":"progress","meta":{"execution_id":"7-1"},"percent":40}')
    await desk.write()
    assert percent_of(desk, "a") == 40


async def test_progress_that_could_not_be_written_waits_unless_there_is_newer(
    desk: WorkDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.send("a", "b")
    connection = desk.connect(in_flight=2)
    await desk.dispatch()
    say(connection, '{"type":"ack","id":"a"}')
    say(connection, '{"type":"ack","id":"b"}')
    await desk.write()
    say(connection, told("a"))
    say(connection, told("b"))

    def fail(_told: object) -> None:
        say(connection, told("b", 50))
        raise AutoReconnect

    with monkeypatch.context() as failing:
        failing.setattr(desk.store.deliveries, "note_progress", fail)
        with pytest.raises(AutoReconnect):
            await desk.progress.tick()
    await desk.write()
    assert (percent_of(desk, "a"), percent_of(desk, "b")) == (40, 50)

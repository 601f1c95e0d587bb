"""No frame of any kind, however odd, breaks what hears it, or what is written about it."""

import asyncio
import uuid

from hypothesis import HealthCheck, given, settings

from shared.store import Store
from tests.support.frames import odd_frames
from tests.support.work_desk import WorkDesk, say
from wsd.protocol import parse


@given(odd_frames())
def test_every_frame_is_read_or_called_invalid(frame: bytes) -> None:
    parse(frame)


@given(odd_frames())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_frame_about_open_work_is_taken_and_written(store: Store, frame: bytes) -> None:
    asyncio.run(_hear(store, frame))


async def _hear(store: Store, frame: bytes) -> None:
    desk, message_id = WorkDesk(store), uuid.uuid4().hex
    desk.send(message_id)
    connection = desk.connect()
    await desk.dispatch()
    say(connection, frame.replace(b'"m-1"', b'"%b"' % message_id.encode()))
    await desk.write()
    desk.database.close()

"""A node's dispatcher and inbox over a real database, with sockets in memory; a test makes them tick."""

from typing import Any

import orjson
from websockets.frames import Opcode

from shared.clock import utc_now
from shared.domain.ids import MessageId
from shared.domain.message import DEFAULT_LIFE, Message
from shared.store import Store
from tests.support.builders import NODE, make_message
from tests.support.held_sockets import HeldSockets, MemoryTransport
from wsd.connection import Connection
from wsd.database import Database
from wsd.dispatcher import Dispatcher
from wsd.inbox import Inbox
from wsd.loops.progress_flush import ProgressFlush
from wsd.work_frames import WorkFrames

HELLO = '{"type":"hello","acks":true,"in_flight":%d}'


class WorkDesk:
    """What one node knows and does about work."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sockets = HeldSockets()
        self.database = Database(store, threads=1, name="work")
        self.inbox = Inbox(self.database, self.sockets.metrics)
        self.progress = ProgressFlush(self.database)
        self.seconds = 1000.0
        self.dispatcher = Dispatcher(
            self.sockets.hub,
            self.database,
            self.inbox,
            poll_seconds=1.0,
            round_seconds=20.0,
            monotonic=lambda: self.seconds,
        )
        self.sockets.hub.on_session_start.append(self.dispatcher.begin)
        self.sockets.hear = WorkFrames(self.dispatcher, self.inbox, self.progress).take

    def send(self, *ids: str, module_hash: str = "a" * 64, **overrides: Any) -> list[Message]:
        """Queue messages, addressed to this node."""
        now = utc_now()
        values = {"created_at": now, "useful_until": now + DEFAULT_LIFE, "node": NODE} | overrides
        messages = [
            make_message(id=MessageId(one), module_hash=module_hash, **values) for one in ids
        ]
        self.store.messages.insert(messages)
        return messages

    def connect(self, in_flight: int = 1, module_hash: str = "a" * 64) -> Connection:
        """Return a socket whose client said hello."""
        connection = self.sockets.hold(module_hash, session=f"session-{module_hash[:1]}")
        say(connection, HELLO % in_flight)
        return connection

    async def dispatch(self, seconds: float = 1.0) -> None:
        """Let so much time pass, and the dispatcher do what is due then."""
        self.seconds += seconds
        while await self.dispatcher.tick():
            pass

    async def write(self) -> None:
        """Write what waits in the inbox, and what is due of the progress."""
        while self.inbox.count_waiting():
            await self.inbox.write_one_batch()
        await self.progress.tick()

    def read(self, message_id: str) -> Message:
        """Return a message as it is stored."""
        found = self.store.messages.get(MessageId(message_id))
        assert found is not None
        return found


def say(connection: Connection, text: str | bytes) -> None:
    """Have the other end send a text."""
    assert connection.session is not None
    data = text.encode() if isinstance(text, str) else text
    connection._write(connection.session.receive(data, connection._around.clock.now()))


def result_of(message_id: str, **overrides: Any) -> str:
    """Return the frame of a result."""
    said = {"type": "result", "id": message_id, "status": "success", "result": {"v": 1}}
    return orjson.dumps(said | overrides).decode()


def hear(connection: Connection) -> list[str]:
    """Return the texts that the other end heard since the last time."""
    transport = connection._transport
    assert isinstance(transport, MemoryTransport)
    data, texts = bytes(transport.written), []
    transport.written.clear()
    while data:
        length, start = data[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(data[2:start], "big")
        if data[0] == 0x80 | Opcode.TEXT:
            texts.append(data[start : start + length].decode())
        data = data[start + length :]
    return texts


def hear_work(connection: Connection) -> list[tuple[str, int]]:
    """Return (id, attempt) of the work that the other end heard since the last time."""
    frames = [orjson.loads(text) for text in hear(connection) if text.startswith("{")]
    return [(frame["id"], frame["attempt"]) for frame in frames if "message" in frame]

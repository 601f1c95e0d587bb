"""Takes what modules say about their work: hello, acknowledgements, progress, results."""

from shared.clock import utc_now
from shared.domain.event import was_said
from shared.domain.ids import ExecutionId, MessageId, ModuleHash
from shared.domain.message import Progress
from shared.services.result_recording import ModuleResult
from wsd import protocol
from wsd.connection import Connection
from wsd.dispatcher import Dispatcher
from wsd.inbox import Inbox
from wsd.loops.progress_flush import ProgressFlush
from wsd.protocol import WorkFrame, WorkName
from wsd.work import SAID_KEPT, OpenMessage


class WorkFrames:
    """Hands frames on: what a client can to the dispatcher, what it says of its work to the inbox."""

    def __init__(self, dispatcher: Dispatcher, inbox: Inbox, progress: ProgressFlush) -> None:
        self._dispatcher = dispatcher
        self._inbox = inbox
        self._progress = progress

    def take(self, connection: Connection, frame: WorkFrame) -> None:
        """Take a frame of a socket whose session stands."""
        assert connection.session is not None
        module_hash = connection.session.module_hash
        match frame:
            case protocol.ResultFrame():
                self._take_result(connection, module_hash, frame)
            case protocol.Ack(work):
                one = self._acknowledge(connection, work)
                if one is not None and connection.work is not None:
                    connection.work.hear_ack(one.message.id)
            case protocol.Progress(work, percent, note):
                one = self._acknowledge(connection, work)
                if message_id := one.message.id if one else MessageId(work.id):
                    said = Progress(percent=percent, note=note, at=utc_now())
                    self._progress.note(message_id, module_hash, said, is_open=one is not None)
            case protocol.Hello():
                self._dispatcher.hear_hello(connection, frame)
            case protocol.Report(work, text):
                self._inbox.answer_in_turn(connection)
                one = self._acknowledge(connection, work)
                if one is not None and one.said < SAID_KEPT:
                    one.said += 1
                    self._inbox.record(was_said(one.message.id, utc_now(), text, one.said))

    def _acknowledge(self, connection: Connection, name: WorkName) -> OpenMessage | None:
        """Note that the module has its work; return it if it is open in this session."""
        work = connection.work
        one = work.find(name) if work and name else None
        if work is None or one is None:
            return None
        if work.acknowledge(one.message.id):
            self._inbox.acknowledge(one.tried)
        return one

    def _take_result(
        self, connection: Connection, module_hash: ModuleHash, frame: protocol.ResultFrame
    ) -> None:
        work, name = connection.work, frame.work
        one = work.find(name) if work else None
        if one is None and not name:
            self._inbox.answer_in_turn(
                connection
            )  # it may be about anything: there is no such work
            return
        if work is not None and one is not None:
            work.end(one.message.id)
            self._progress.forget(one.message.id)
            self._dispatcher.look_at(connection)
        said = ModuleResult(
            module_hash=module_hash,
            at=utc_now(),
            status=frame.status,
            message=one.message if one else None,
            message_id=MessageId(name.id) if name.id else None,
            execution_id=ExecutionId(name.execution_id) if name.execution_id else None,
            content=frame.content,
            error=frame.error,
            remark=frame.remark,
            retry_after_seconds=frame.retry_after_seconds,
        )
        self._inbox.take_result(connection, said, str(name) or said.module_hash)

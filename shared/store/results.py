"""The results: how messages ended, the first word only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import EndReason
from shared.domain.punctuality import ResultGlance
from shared.domain.result import LATE_KEPT, LateResult, Result, ResultStatus
from shared.store.chunks import chunks, delete_some
from shared.store.errors import insert_new
from shared.store.lenient import LONG_AGO, Form
from shared.store.windows import newest_first


class Results:
    """The `results` collection: the first insert of a message's end wins."""

    INDEXES = (
        IndexModel([("module_hash", ASCENDING), ("at", ASCENDING)]),
        IndexModel([("missionKind", ASCENDING), ("at", ASCENDING)]),
        IndexModel("at"),
    )

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["results"]

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Result:
        """Return the result that a document is; raises KeyError, TypeError or ValueError."""
        return _to_result(document)

    def insert(self, results: Sequence[Result]) -> int:
        """Insert the first results of their messages; return how many of these were first."""
        return insert_new(self._collection, [_to_document(result) for result in results])

    def get(self, message_id: MessageId) -> Result | None:
        """Return the result of this message, or None."""
        document = self._collection.find_one({"_id": message_id})
        return _FORM.read(document) if document else None

    def read(self, ids: Iterable[MessageId]) -> dict[MessageId, Result]:
        """Return the results of those of these messages that have one."""
        return {
            result.message_id: result
            for part in chunks(ids)
            for result in _FORM.read_all(self._collection.find({"_id": {"$in": part}}))
        }

    def glance(self, module_hash: ModuleHash, since: datetime) -> list[ResultGlance]:
        """Return a few fields of this module's results since then."""
        query = {"module_hash": module_hash, "at": {"$gt": since}}
        found = self._collection.find(query, {"status": 1, "at": 1, "sent_at": 1})
        return list(_GLANCE.read_all(found))

    def newest(
        self, module_hash: ModuleHash, now: datetime, since: datetime | None = None
    ) -> Iterator[Result]:
        """Yield a module's results, newest first, without what they say."""

        def read(span: dict[str, Any]) -> list[Result]:
            return self._read_brief({"module_hash": module_hash, "at": span})

        return newest_first(read, lambda result: (result.at, result.message_id), now, since)

    def of_kind_since(self, mission_kind: str, since: datetime) -> list[Result]:
        """Return the results of a kind's modules from this time on, without what they say."""
        return self._read_brief({"missionKind": mission_kind, "at": {"$gte": since}})

    def of_module_since(self, module_hash: ModuleHash, since: datetime) -> list[Result]:
        """Return a module's results from this time on, without what they say."""
        return self._read_brief({"module_hash": module_hash, "at": {"$gte": since}})

    def _read_brief(self, guard: dict[str, Any]) -> list[Result]:
        found = self._collection.find(guard, {"content": 0, "late": 0})
        return list(_FORM.read_all({"content": None, **document} for document in found))

    def read_ends(self, ids: Iterable[MessageId]) -> dict[MessageId, Result]:
        """Return the results of those of these messages that have one, without what they say."""
        return {
            result.message_id: result
            for part in chunks(ids)
            for result in self._read_brief({"_id": {"$in": part}})
        }

    def purge(self, before: datetime, limit: int) -> int:
        """Delete a slice of the results older than this; return how many went."""
        return delete_some(self._collection, {"at": {"$lt": before}}, limit)

    def add_late(self, message_id: MessageId, late: LateResult) -> None:
        """Keep a result that came after the first one; only the newest few are kept."""
        kept = {"$each": [_late_document(late)], "$slice": -LATE_KEPT}
        self._collection.update_one({"_id": message_id}, {"$push": {"late": kept}})


def _late_document(late: LateResult) -> dict[str, Any]:
    return {
        "at": late.at,
        "status": late.status.value,
        "content": late.content,
        "error": late.error,
    }


def _to_document(result: Result) -> dict[str, Any]:
    document = {
        "_id": result.message_id,
        "module_hash": result.module_hash,
        "at": result.at,
        "status": result.status.value,
        "missionKind": result.mission_kind,
        "reason": result.reason.value if result.reason else None,
        "content": result.content,
        "error": result.error,
        "remark": result.remark,
        "is_by_module": result.is_by_module,
        "attempt": result.attempt,
        "sent_at": result.sent_at,
        "retry_after_seconds": result.retry_after_seconds,
        "workflow_id": result.workflow_id,
        "execution_id": result.execution_id,
        "step": result.step,
        "late": [_late_document(late) for late in result.late] or None,
    }
    # What is not known is left out: each field is paid for by every change on the embedded server.
    return {key: value for key, value in document.items() if value is not None}


def _to_result(document: Mapping[str, Any]) -> Result:
    reason = document.get("reason")
    return Result(
        message_id=MessageId(document["_id"]),
        module_hash=document["module_hash"],
        at=document["at"],
        status=ResultStatus(document["status"]),
        mission_kind=document["missionKind"],
        reason=EndReason(reason) if reason else None,
        content=document.get("content"),
        error=document.get("error"),
        remark=document.get("remark"),
        is_by_module=document["is_by_module"],
        attempt=document["attempt"],
        sent_at=document.get("sent_at"),
        retry_after_seconds=document.get("retry_after_seconds"),
        workflow_id=document.get("workflow_id"),
        execution_id=document.get("execution_id"),
        step=document.get("step"),
        late=tuple(_to_late(late) for late in document.get("late", ())),
    )


def _to_late(document: Mapping[str, Any]) -> LateResult:
    return LateResult(
        at=document["at"],
        status=ResultStatus(document["status"]),
        content=document["content"],
        error=document["error"],
    )


def _to_glance(document: Mapping[str, Any]) -> ResultGlance:
    return ResultGlance(
        status=ResultStatus(document["status"]),
        at=document["at"],
        sent_at=document.get("sent_at"),
    )


_GLANCE = Form(collection="results", parse=_to_glance, fallbacks={"status": ResultStatus.FAILURE})
_FORM = Form(
    collection="results",
    parse=_to_result,
    fallbacks={
        "at": LONG_AGO,
        "status": ResultStatus.FAILURE,
        "missionKind": "",
        "reason": None,
        "is_by_module": False,
        "attempt": 0,
    },
)

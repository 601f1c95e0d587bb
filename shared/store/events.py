"""The history: one document per state change."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database

from shared.domain.actor import PLATFORM
from shared.domain.event import ENDINGS, Event, Subject, SubjectKind
from shared.domain.ids import ModuleHash, WorkflowId
from shared.store.chunks import chunks
from shared.store.errors import insert_new
from shared.store.lenient import LONG_AGO, Form
from shared.store.windows import paced

PURGE_SLICE = 1000


class Events:
    """The `events` collection: written once, purged by age."""

    # The two questions: what happened to this subject, and what happened lately.
    INDEXES = (IndexModel([("subject.id", 1), ("at", 1)]), IndexModel("at"))

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["events"]

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Event:
        """Return the event that a document is; raises KeyError, TypeError or ValueError."""
        return _to_event(document)

    def record(self, events: Sequence[Event]) -> None:
        """Record events; one that is recorded already stays as it is."""
        insert_new(self._collection, [_to_document(event) for event in events])

    def find(
        self,
        *,
        since: datetime | None = None,
        subject: Subject | None = None,
        reason: str | None = None,
    ) -> list[Event]:
        """Return what happened, oldest first."""
        query: dict[str, Any] = {}
        if subject is not None:
            query["subject.id"] = subject.id
        if since is not None:
            query["at"] = {"$gte": since}
        if reason is not None:
            query["reason"] = reason
        found = _FORM.read_all(self._collection.find(query))
        return in_order(event for event in found if subject is None or event.subject == subject)

    def newest(
        self,
        now: datetime,
        *,
        subjects: Sequence[Any] | None = None,
        span: Mapping[str, datetime] | None = None,
        what: str | None = None,
        reason: str | None = None,
    ) -> Iterator[tuple[list[Event], datetime | None]]:
        """Yield what happened in one window of time after the other, newest first, and its begin.

        To all, or to subjects: ids, or ranges of ids.
        """
        query = {
            **({} if what is None else {"what": what}),
            **({} if reason is None else {"reason": reason}),
        }

        def read(window: dict[str, Any]) -> list[Event]:
            # Subject by subject, each a range of the index.
            by_subject = (
                [query] if subjects is None else [query | {"subject.id": s} for s in subjects]
            )
            queries = [each | {"at": window} for each in by_subject]
            found = [e for each in queries for e in _FORM.read_all(self._collection.find(each))]
            return sorted(found, key=lambda event: (event.at, event.id), reverse=True)

        return paced(read, now, span or {})

    def get(self, event_id: str) -> Event | None:
        """Return the event with this id, or None."""
        document = self._collection.find_one({"_id": event_id})
        return _FORM.read(document) if document else None

    def of_subjects(self, ids: Iterable[str], since: datetime, until: datetime) -> list[Event]:
        """Return what happened to these subjects between two moments, oldest first."""
        span = {"$gte": since, "$lte": until}
        # One by one: with $in the embedded server reads all that ever happened to them.
        return in_order(
            event
            for subject_id in ids
            for event in _FORM.read_all(
                self._collection.find({"subject.id": subject_id, "at": span})
            )
        )

    @staticmethod
    def subjects_of_workflow(workflow_id: WorkflowId) -> list[Any]:
        """Return a workflow and its executions, which are named for it, as ranges of the index."""
        return [str(workflow_id), {"$gte": f"{workflow_id}-", "$lt": f"{workflow_id}."}]

    def last_before(self, subject_id: str, at: datetime, what: Iterable[str]) -> Event | None:
        """Return the last of these things that happened to a subject before a moment."""
        query = {"subject.id": subject_id, "at": {"$lt": at}, "what": {"$in": list(what)}}
        found = in_order(_FORM.read_all(self._collection.find(query)))
        return found[-1] if found else None

    def reasons(self, ids: Iterable[str]) -> dict[str, str | None]:
        """Return {id: reason} of those of these events that are recorded."""
        return {
            document["_id"]: document.get("reason")
            for part in chunks(ids)
            for document in self._collection.find({"_id": {"$in": part}}, {"reason": 1})
        }

    def modules_starting_with(self, prefix: str) -> set[ModuleHash]:
        """Return the hashes that start with this and that something happened to."""
        # "g" is greater than every hexadecimal digit: a range of the index.
        span = {"$gte": prefix, "$lt": f"{prefix}g"}
        documents = self._collection.find({"subject.id": span}, {"subject": 1})
        return {
            document["subject"]["id"]
            for document in documents
            if document["subject"].get("kind") == SubjectKind.MODULE
        }

    def purge(self, before: datetime) -> int:
        """Delete one slice of events older than this; return how many went."""
        old = self._collection.find({"at": {"$lt": before}}, {"_id": 1}).limit(PURGE_SLICE)
        ids = [document["_id"] for document in old]
        if ids:
            self._collection.delete_many({"_id": {"$in": ids}})
        return len(ids)


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return events by time, but those of one module's sessions by epoch.

    Two nodes write them by two clocks, which may differ by more than a session lasts.
    """
    latest: dict[Subject, datetime] = {}
    moments: dict[str, datetime] = {}
    by_session = sorted(events, key=lambda e: (str(e.subject), e.epoch, e.what in ENDINGS))
    for event in by_session:
        if event.epoch:
            latest[event.subject] = max(event.at, latest.get(event.subject, event.at))
            moments[event.id] = latest[event.subject]
    return sorted(by_session, key=lambda event: moments.get(event.id, event.at))


def _to_document(event: Event) -> dict[str, Any]:
    return {
        "_id": event.id,
        "subject": {"kind": event.subject.kind.value, "id": event.subject.id},
        "at": event.at,
        "what": event.what,
        "reason": event.reason,
        "actor": event.actor,
        "detail": dict(event.detail),
    }


def _to_event(document: Mapping[str, Any]) -> Event:
    subject = document["subject"]
    return Event(
        id=document["_id"],
        subject=Subject(kind=SubjectKind(subject["kind"]), id=subject["id"]),
        at=document["at"],
        what=document["what"],
        reason=document["reason"],
        actor=document["actor"],
        detail=document["detail"],
    )


_FORM = Form(
    collection="events",
    parse=_to_event,
    fallbacks={
        "subject": {"kind": SubjectKind.OTHER, "id": ""},
        "at": LONG_AGO,
        "what": "unknown",
        "reason": None,
        "actor": PLATFORM,
        "detail": {},
    },
)

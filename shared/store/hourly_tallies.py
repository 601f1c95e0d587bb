"""The tallies of full hours: executions are counted once, not at every look at the list."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pymongo.database import Database

from shared.domain.ids import WorkflowId
from shared.domain.punctuality import Tally
from shared.store.lenient import Form

HourlyTallies = dict[datetime, dict[WorkflowId, Tally]]


class Tallies:
    """The `hourly_tallies` collection: one document per hour, for all workflows.

    It holds nothing that the executions do not say: an hour that is missing is counted anew.
    """

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._collection = database["hourly_tallies"]

    def read(self) -> HourlyTallies:
        """Return the tallies of every hour that was counted."""
        return dict(_FORM.read_all(self._collection.find({})))

    def hours(self) -> set[datetime]:
        """Return the hours that were counted."""
        return {document["_id"] for document in self._collection.find({}, {"_id": 1})}

    def write(self, hour: datetime, tallies: Mapping[WorkflowId, Tally]) -> None:
        """Write an hour down; two writers write the same."""
        workflows = {str(number): _to_document(tally) for number, tally in tallies.items()}
        self._collection.update_one({"_id": hour}, {"$set": {"workflows": workflows}}, upsert=True)

    def forget(self, hours: Iterable[datetime]) -> None:
        """Have these hours counted anew."""
        self._collection.delete_many({"_id": {"$in": list(hours)}})


def _to_document(tally: Tally) -> dict[str, Any]:
    return {
        "finished": tally.finished,
        "succeeded": tally.succeeded,
        "on_time": tally.on_time,
        "late": tally.late,
        "missing": tally.missing,
        "seconds": list(tally.seconds),
    }


def _to_hour(document: Mapping[str, Any]) -> tuple[datetime, dict[WorkflowId, Tally]]:
    tallies = {
        WorkflowId(int(number)): Tally(
            finished=told["finished"],
            succeeded=told["succeeded"],
            on_time=told["on_time"],
            late=told["late"],
            missing=told["missing"],
            seconds=told["seconds"],
        )
        for number, told in document["workflows"].items()
    }
    return document["_id"], tallies


# What cannot be read is as good as missing: it is counted from the executions.
_FORM = Form(collection="hourly_tallies", parse=_to_hour, fallbacks={})

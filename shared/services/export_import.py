"""A registry goes from one database to another: export and import, line by line.

The first line tells the format, the last one how many documents lie between: a file that was cut
off anywhere is noticed. Every other line is one document and its collection.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from shared.domain.closing import OfflineReason
from shared.domain.event import went_offline
from shared.domain.module import compute_module_hash
from shared.domain.workflow_document import to_file
from shared.domain.workflow_file import read_workflow
from shared.errors import Conflict, InvalidData
from shared.store import Store, batch_timeout
from shared.store.counters import MODULE_ID, REGISTRY_CHANGES, WORKFLOW_ID
from shared.store.dump import COLLECTIONS, Document, decode, encode, find_json_problem
from shared.store.workflows import to_workflow

FORMAT = "forecast-platform-export"
VERSION = 1
SLICE = 500


class DamagedLine(Exception):
    """What stands in a line cannot be imported."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"Line {number}: {problem}.")


@dataclass(kw_only=True)
class Imported:
    """What an import did: documents that were new, or not, and modules that got a new number.

    `tally` counts the new ones by their collection.
    """

    tally: Counter[str] = field(default_factory=Counter)
    added: int = 0
    existing: int = 0
    renumbered: int = 0


def export_registry(
    store: Store, now: datetime, tally: Counter[str] | None = None
) -> Iterator[str]:
    """Return the lines of an export, without their line ends; count documents by collection."""
    tally = Counter() if tally is None else tally
    yield encode({"format": FORMAT, "version": VERSION, "exported_at": now})
    for collection, document in store.dump.read():
        yield encode({"collection": collection, "document": document})
        tally[collection] += 1
    yield encode({"end": True, "documents": tally.total()})


def import_registry(
    store: Store, lines: Iterable[bytes], now: datetime, *, merge: bool = False
) -> Imported:
    """Write the documents of an export that do not exist yet; nothing that exists is changed.

    So it may be repeated, and go on where it was interrupted. Raises InvalidData that names the
    line, and Conflict when modules are registered here and merge was not asked for.
    """
    imported = Imported()
    numbered = enumerate(lines, start=1)
    try:
        _check_header(*next(numbered, (1, b"")))
        if not merge and not store.modules.is_empty():
            raise Conflict("Modules are registered here already: add to them with --merge.")
        for collection, documents in _slices(_read_documents(numbered)):
            with batch_timeout():
                added = _add(store, collection, documents, now)
            imported.added += added.added
            imported.tally[collection] += added.added
            imported.existing += added.existing
            imported.renumbered += added.renumbered
    except DamagedLine as error:
        raise InvalidData(f"{error} {_describe_progress(imported)}") from None
    finally:
        if imported.added:
            store.counters.note_registry_change()
    return imported


@dataclass(frozen=True, kw_only=True)
class Added:
    """How many documents did not exist yet, how many did, and how many got a new number."""

    added: int = 0
    existing: int = 0
    renumbered: int = 0


def _add(store: Store, collection: str, documents: Sequence[Document], now: datetime) -> Added:
    """Add those of a collection's documents that do not exist yet; counters are only raised."""
    if collection == "modules":
        return _add_modules(store, documents, now)
    if collection == "workflows":
        return _add_workflows(store, documents, now)
    if collection == "counters":
        for document in documents:
            if document["_id"] in (MODULE_ID, WORKFLOW_ID, REGISTRY_CHANGES):
                store.counters.raise_to(document["_id"], document["value"])
        return Added()
    added = store.dump.insert_missing(collection, documents)
    return Added(added=added, existing=len(documents) - added)


def _add_modules(store: Store, documents: Sequence[Document], now: datetime) -> Added:
    """Add modules, offline: the sessions that they had are the other platform's.

    A number that another module has here is replaced by a new one.
    """
    known = store.modules.names(document["_id"] for document in documents)
    new = [document for document in documents if document["_id"] not in known]
    if not new:
        return Added(existing=len(documents))
    numbers = [document["module_id"] for document in new]
    # First, so that no module that registers meanwhile gets one of these numbers.
    store.counters.raise_to(MODULE_ID, max(numbers))
    taken = store.modules.taken_numbers(numbers)
    for document in new:
        if document["module_id"] in taken:
            document["module_id"] = store.counters.next_module_id()
    store.events.record(
        [
            went_offline(d["_id"], d["epoch"], now, OfflineReason.PLATFORM_RESTART)
            for d in new
            if d["session"]
        ]
    )
    added = store.dump.insert_missing("modules", [_disconnect(document, now) for document in new])
    renumbered = sum(document["module_id"] not in numbers for document in new)
    return Added(added=added, existing=len(documents) - added, renumbered=renumbered)


def _add_workflows(store: Store, documents: Sequence[Document], now: datetime) -> Added:
    """Add workflows, due from now on: what was due since the export was the other platform's."""
    store.counters.raise_to(WORKFLOW_ID, max(document["_id"] for document in documents))
    due = [d | {"next_due_at": to_workflow(d).due_after(now)} for d in documents]
    added = store.dump.insert_missing("workflows", due)
    return Added(added=added, existing=len(documents) - added)


def _disconnect(document: Document, now: datetime) -> Document:
    """Return the module without its session."""
    if document["session"] is None:
        return document
    offline = {"offline_reason": OfflineReason.PLATFORM_RESTART.value, "state_since": now}
    return document | {"session": None} | offline


def _describe_progress(imported: Imported) -> str:
    if not imported.added:
        return "Nothing was imported."
    return f"{imported.added} documents before it were imported; with --merge an import goes on."


def _check_header(number: int, line: bytes) -> None:
    header = _decode(number, line)
    version = header.get("version")
    if header.get("format") != FORMAT:
        raise DamagedLine(number, "this is not the export of a forecast platform")
    if version != VERSION:
        raise DamagedLine(number, f"its format is {version}, and this platform reads {VERSION}")


def _read_documents(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[str, Document]]:
    """Return (collection, document) of every line up to the last one, which must count them."""
    number = 1
    lines = iter(lines)
    for number, line in lines:
        value = _decode(number, line)
        if "end" in value:
            here, exported = number - 2, value.get("documents")  # the first line is none, nor this
            if here != exported:
                raise DamagedLine(number, f"{exported} documents were exported, {here} are here")
            break
        yield _check_document(number, value.get("collection"), value.get("document"))
    else:
        raise DamagedLine(number + 1, "the export is cut off here")
    for number, _ in lines:
        raise DamagedLine(number, "something follows the end")


def _slices(documents: Iterable[tuple[str, Document]]) -> Iterator[tuple[str, list[Document]]]:
    for collection, group in groupby(documents, key=itemgetter(0)):
        while part := [document for _, document in islice(group, SLICE)]:
            yield collection, part


def _decode(number: int, line: bytes) -> dict[str, Any]:
    try:
        value = decode(line)
    except ValueError as error:
        raise DamagedLine(number, f"this is not extended JSON ({str(error)[:200]})") from None
    if not isinstance(value, dict):
        raise DamagedLine(number, "this is not a JSON object")
    return value


def _check_document(number: int, collection: Any, document: Any) -> tuple[str, Document]:
    if collection not in COLLECTIONS:
        raise DamagedLine(number, f"the collection {collection!r} is unknown")
    id_type = int if collection == "workflows" else str
    if not isinstance(document, dict) or not isinstance(document.get("_id"), id_type):
        raise DamagedLine(number, "this is no document with an _id")
    problem = (
        find_json_problem(collection, document)
        or _identity_problem(collection, document)
        or _workflow_problem(collection, document)
    )
    if problem:
        raise DamagedLine(number, f"the document in {collection} is damaged: {problem}")
    return collection, document


def _identity_problem(collection: str, document: Document) -> str | None:
    if collection != "modules":
        return None
    names = [document[key] for key in ("name", "missionKind", "modelHash")]
    if not all(isinstance(name, str) for name in names):
        return "its names are no texts"
    return None if compute_module_hash(*names) == document["_id"] else "its hash is another one's"


def _workflow_problem(collection: str, document: Document) -> str | None:
    if collection != "workflows":
        return None
    try:
        read_workflow(to_file(to_workflow(document)))
    except (TypeError, ValueError) as error:
        return str(error).removesuffix(".")
    return None

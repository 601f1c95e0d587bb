"""The newest success of each module of a kind, or of a workflow, for consumers that ask often.

What was found is kept, without the contents, and only newer results are read at the next question.
Now and then all of it is read again: a node that was cut off from the database stores its results
with the times at which they came.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from shared.domain.ids import MessageId, ModuleHash, WorkflowId
from shared.domain.module import normalise
from shared.domain.result import Result, ResultStatus
from shared.errors import NotFound
from shared.services.module_directory import ModuleDirectory
from shared.services.results import ResultSeen
from shared.store import Store, batch_timeout

OVERLAP = timedelta(seconds=60)
RELOAD_SECONDS = 300.0
QUESTIONS_KEPT = 1000


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which modules' successes are wanted: of a kind, of a workflow, or both."""

    mission_kind: str | None = None
    workflow_id: WorkflowId | None = None
    module_hash: ModuleHash | None = None


@dataclass(frozen=True, kw_only=True)
class Newest:
    """What answers a question, as far as it was read; never changed, only replaced."""

    loaded_at: float
    read_at: datetime
    modules: frozenset[ModuleHash]
    found: Mapping[ModuleHash, tuple[datetime, MessageId]] = field(default_factory=dict)


class LatestResults:
    """One for each process; any number of threads ask."""

    def __init__(
        self, directory: ModuleDirectory, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._known: dict[Question, Newest] = {}

    def find(self, store: Store, question: Question, now: datetime) -> list[MessageId]:
        """Return whose results are the newest successes; raises NotFound for the workflow."""
        modules = self._find_modules(store, question)
        known = self._known.get(question)
        if known is None or self._clock() >= known.loaded_at + RELOAD_SECONDS:
            known = Newest(loaded_at=self._clock(), read_at=now, modules=frozenset())
        with batch_timeout():
            newer = list(_read_newer(store, question, known, now))
            for module_hash in modules - known.modules:
                newer += _read_newest(store, module_hash, question, now)
        found = dict(known.found)
        for result in newer:
            came = (result.at, result.message_id)
            found[result.module_hash] = max(came, found.get(result.module_hash, came))
        if len(self._known) >= QUESTIONS_KEPT:
            self._known.clear()
        self._known[question] = Newest(
            loaded_at=known.loaded_at, read_at=now, modules=modules, found=found
        )
        return [message_id for key, (_, message_id) in found.items() if key in modules]

    def _find_modules(self, store: Store, question: Question) -> frozenset[ModuleHash]:
        if question.module_hash is not None:
            return frozenset({question.module_hash})
        if question.mission_kind is not None:
            return frozenset(self._of_kinds(store, {normalise(question.mission_kind)}))
        assert question.workflow_id is not None
        workflow = store.workflows.get(question.workflow_id)
        if workflow is None:
            raise NotFound(f"No workflow has the number {question.workflow_id}.")
        named = {step.module_hash for step in workflow.steps if step.module_hash}
        named |= {module_hash for step in workflow.steps for module_hash in step.fallback}
        kinds = {step.mission_kind for step in workflow.steps if step.mission_kind}
        return frozenset(named | self._of_kinds(store, kinds))

    def _of_kinds(self, store: Store, kinds: Iterable[str]) -> set[ModuleHash]:
        wanted = set(kinds)
        if not wanted:
            return set()
        entries = self._directory.all(store)
        return {entry.module_hash for entry in entries if entry.mission_kind in wanted}


def read_results(store: Store, ids: Iterable[MessageId]) -> list[ResultSeen]:
    """Return these results beside their modules, by the modules' numbers."""
    with batch_timeout():
        results = store.results.read(ids).values()
        modules = {m.module_hash: m for m in store.modules.brief(r.module_hash for r in results)}
    seen = [ResultSeen(result=r, module=modules.get(r.module_hash)) for r in results]
    return sorted(seen, key=lambda one: one.module.module_id if one.module else 0)


def _read_newer(store: Store, question: Question, known: Newest, now: datetime) -> Iterable[Result]:
    """Return the successes since the last question, of the modules that were known then."""
    since = min(known.read_at, now) - OVERLAP
    if not known.modules:
        return ()
    if question.mission_kind is not None:
        results = store.results.of_kind_since(normalise(question.mission_kind), since)
    else:
        results = [
            result for key in known.modules for result in store.results.of_module_since(key, since)
        ]
    return (result for result in results if _answers(question, result))


def _read_newest(
    store: Store, module_hash: ModuleHash, question: Question, now: datetime
) -> list[Result]:
    """Return a module's newest success, if there is one."""
    found = store.results.newest(module_hash, now)
    return list(islice((result for result in found if _answers(question, result)), 1))


def _answers(question: Question, result: Result) -> bool:
    if result.status is not ResultStatus.SUCCESS:
        return False
    return question.workflow_id in (None, result.workflow_id)

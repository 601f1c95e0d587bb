"""A workflow as people and programs write it: read, checked, every problem told at once.

The names are those of the earlier contract (`execute_cron_list`, `execute_modules`), with ours beside
them. Modules stand in it as references, for a service to find.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson

from shared.domain.cron import BadCron, expand_cron
from shared.domain.document_reader import Path, Problem, Words, find_text_problem
from shared.domain.json_document import find_json_problem
from shared.domain.local_time import UnknownZone, find_zone
from shared.domain.module import DESCRIPTION_MAX_LENGTH, NAME_MAX_LENGTH, normalise
from shared.domain.step_order import find_order_problems
from shared.domain.workflow import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_SECONDS,
    DEFAULT_TIMEZONE,
    SHIFT,
    Misfire,
    Overlap,
    ShiftUnit,
)

CRONS_MAX = 100
STEPS_MAX = 100
FALLBACKS_MAX = 10
REFERENCE_MAX_LENGTH = 200
ARGS_MAX_BYTES = 128 * 1024
STEPS_MAX_BYTES = 256 * 1024  # each execution keeps its workflow, and lists tell all of them
NUMBER_MAX = 2**53
# What may be chosen: the platform counts on from there, and stays within what can be asked for.
CHOSEN_NUMBER_MAX = 10**9
SHIFT_MAX = timedelta(days=366)
SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 7 * 86400.0
RETRIES_MAX = 100

FIELDS = (
    "workflow_id",
    "name",
    "description",
    "enable",
    "execute_cron_list",
    "timezone",
    "execute_shift_time",
    "execute_shift_unit",
    "overlap",
    "misfire",
    "timeout_seconds",
    "start_timeout_seconds",
    "retries",
    "expected_within_seconds",
    "pause_after_failures",
    "steps",
    "execute_modules",
)
_STEP_FIELDS = ("name", "module", "missionKind", "fallback", "args", "after")
_ENTRY_FIELDS = ("module_hash", "module_id", "name", "args")


class BadWorkflow(ValueError):
    """A workflow that is refused, with everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)) + ".")
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A module as somebody named it, and where that stands."""

    text: str
    path: Path

    def __str__(self) -> str:
        return str(Problem(self.path, ""))


@dataclass(frozen=True, kw_only=True)
class StepDraft:
    """A step whose modules are not found yet: `module` or `mission_kind` is set."""

    name: str
    module: Reference | None = None
    mission_kind: str | None = None
    fallback: tuple[Reference, ...] = ()
    args: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """Return every module that it names."""
        return (*([self.module] if self.module else []), *self.fallback)


@dataclass(frozen=True, kw_only=True)
class WorkflowDraft:
    """What a workflow says about itself."""

    workflow_id: int | None
    name: str
    description: str
    enabled: bool
    crons: tuple[str, ...]
    timezone: str
    shift_time: int
    shift_unit: ShiftUnit
    overlap: Overlap
    misfire: Misfire
    timeout_seconds: float
    start_timeout_seconds: float | None
    retries: int
    expected_within_seconds: float | None
    pause_after_failures: int
    steps: tuple[StepDraft, ...]


def read_workflow(
    document: Any, default_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
) -> WorkflowDraft:
    """Return what a document says; raises BadWorkflow with every problem."""
    if not isinstance(document, dict):
        raise BadWorkflow([Problem((), "A workflow must be an object with a name")])
    words = Words(document)
    words.refuse_unknown(FIELDS)
    words.require("name")
    unit = words.choice("execute_shift_unit", ShiftUnit.SECOND)
    draft = WorkflowDraft(
        workflow_id=words.whole("workflow_id", 1, NUMBER_MAX, 0) or None,
        name=words.text("name", NAME_MAX_LENGTH, may_be_empty=False),
        description=words.text("description", DESCRIPTION_MAX_LENGTH, is_one_line=False),
        enabled=words.flag("enable", default=True),
        crons=_read_crons(words),
        timezone=_read_zone(words),
        shift_time=_read_shift(words, unit),
        shift_unit=unit,
        overlap=words.choice("overlap", Overlap.SKIP),
        misfire=words.choice("misfire", Misfire.LATEST_ONLY),
        timeout_seconds=_seconds(words, "timeout_seconds") or default_timeout_seconds,
        start_timeout_seconds=_seconds(words, "start_timeout_seconds"),
        retries=words.whole("retries", 0, RETRIES_MAX, DEFAULT_RETRIES),
        expected_within_seconds=_seconds(words, "expected_within_seconds"),
        pause_after_failures=words.whole("pause_after_failures", 0, 1000, 0),
        steps=_read_steps(words),
    )
    if words.problems:
        raise BadWorkflow(words.problems)
    return draft


def _seconds(words: Words, key: str) -> float | None:
    return words.seconds(key, SHORTEST_SECONDS, LONGEST_SECONDS)


def _read_crons(words: Words) -> tuple[str, ...]:
    key = "execute_cron_list"
    words.require(key)
    crons: list[str] = []
    for position, line in enumerate(words.items(key, CRONS_MAX, what="cron lines")):
        try:
            if not isinstance(line, str):
                raise BadCron("must be text, such as '30 9 * * 1-5'")
            crons.append(expand_cron(line))
        except BadCron as error:
            words.note(str(error), key, position)
    if words.values.get(key) == []:
        words.note("must have a cron line", key)
    return tuple(dict.fromkeys(crons))


def _read_zone(words: Words) -> str:
    name = words.text("timezone", NAME_MAX_LENGTH) or DEFAULT_TIMEZONE
    try:
        find_zone(name)
    except UnknownZone as error:
        words.note(str(error), "timezone")
    return name


def _read_shift(words: Words, unit: ShiftUnit) -> int:
    most = SHIFT_MAX // SHIFT[unit]
    return words.whole("execute_shift_time", -most, most, 0)


def _read_steps(words: Words) -> tuple[StepDraft, ...]:
    keys = [key for key in ("steps", "execute_modules") if words.has(key)]
    if len(keys) != 1:
        problem = "must not be given beside steps" if keys else "is required"
        words.note(problem, keys[1] if keys else "steps")
        return ()
    (key,) = keys
    if words.values[key] == []:
        words.note("must not be empty: it names the modules that run", key)
    read = _read_our_steps if key == "steps" else _read_earlier_steps
    steps = read(words)
    if sum(len(orjson.dumps(step.args)) for step in steps) > STEPS_MAX_BYTES:
        words.note(f"have args of more than {STEPS_MAX_BYTES // 1024} KiB together", key)
    return steps


def _read_our_steps(words: Words) -> tuple[StepDraft, ...]:
    steps: list[StepDraft] = []
    places: list[Path] = []
    for step in words.objects("steps", STEPS_MAX, what="steps"):
        step.refuse_unknown(_STEP_FIELDS)
        steps.append(_read_our_step(step))
        places.append(step.path)
    for problem in find_order_problems([(step.name, step.after) for step in steps]):
        words.problems.append(Problem((*places[problem.position], problem.field), problem.text))
    return tuple(steps)


def _read_our_step(words: Words) -> StepDraft:
    module = _read_reference(words, "module")
    kind = words.text("missionKind", NAME_MAX_LENGTH, may_be_empty=False) or None
    if words.has("module") == words.has("missionKind"):
        words.note("needs either a module or a missionKind")
    named = module.text if module else kind
    name = words.text("name", NAME_MAX_LENGTH, may_be_empty=False) or named or ""
    fallback = words.items("fallback", FALLBACKS_MAX, what="modules")
    after = words.items("after", STEPS_MAX, what="names of steps")
    for position, other in enumerate(after):
        if problem := find_text_problem(other, NAME_MAX_LENGTH):
            words.note(problem, "after", position)
    references = [_refer(words, one, "fallback", n) for n, one in enumerate(fallback)]
    return StepDraft(
        name=name[:NAME_MAX_LENGTH],
        module=module,
        mission_kind=kind,
        fallback=tuple(filter(None, references)),
        args=_read_args(words),
        after=tuple(normalise(other) for other in after if isinstance(other, str)),
    )


def _read_earlier_steps(words: Words) -> tuple[StepDraft, ...]:
    """Read entries as earlier clients write them: the hash of a module, or an object."""
    key = "execute_modules"
    steps: list[StepDraft] = []
    for position, entry in enumerate(words.items(key, STEPS_MAX, what="modules")):
        name = f"step-{position + 1}"
        if isinstance(entry, dict):
            inner = Words(entry, (*words.path, key, position), words.problems)
            steps.append(_read_earlier_step(inner, name))
        else:
            steps.append(StepDraft(name=name, module=_refer(words, entry, key, position)))
    return tuple(steps)


def _read_earlier_step(words: Words, name: str) -> StepDraft:
    words.refuse_unknown(_ENTRY_FIELDS)
    named = next((key for key in ("module_hash", "module_id", "name") if words.has(key)), None)
    if named is None:
        words.note("needs a module_hash or a name")
    module = _read_reference(words, named) if named else None
    return StepDraft(name=name, module=module, args=_read_args(words))


def _read_reference(words: Words, key: str) -> Reference | None:
    return _refer(words, words.values[key], key) if words.has(key) else None


def _refer(words: Words, value: Any, *path: str | int) -> Reference | None:
    """Return a module's hash, name or number as a reference."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    problem = find_text_problem(value, REFERENCE_MAX_LENGTH, may_be_empty=False)
    if problem:
        words.note(problem, *path)
        return None
    return Reference(text=normalise(value), path=(*words.path, *path))


def _read_args(words: Words) -> dict[str, Any]:
    args = words.values.get("args")
    if args is None:
        return {}
    problem = find_json_problem(args, any_keys=True)
    if not problem and not isinstance(args, dict):
        problem = "must be a JSON object"
    if not problem and len(orjson.dumps(args)) > ARGS_MAX_BYTES:
        problem = f"is larger than {ARGS_MAX_BYTES // 1024} KiB"
    if problem:
        words.note(problem, "args")
        return {}
    return dict(args)

"""Reads a workflow's file, JSON or YAML, and knows on which line each of its fields stands."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import yaml

from shared.domain.document_reader import Path as FieldPath
from shared.domain.json_document import Lost, NotJson, read_json
from shared.domain.workflow import DEFAULT_TIMEOUT_SECONDS
from shared.domain.workflow_file import BadWorkflow, WorkflowDraft, read_workflow
from shared.errors import PlatformError

MAX_BYTES = 2 * 2**20
STDIN = "-"
_BOOLEANS = {"true": True, "false": False}


class _Loader(yaml.SafeLoader):
    """Takes for numbers, booleans and null what JSON does: no dates, no `yes`, no 9:30 that is 570."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """Puts in quotes what is text to this reader, or to others, only between quotes."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    # Between single quotes the library would write this line end so that a space is read.
    style = '"' if "\x85" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", "true|false", "tf"),
    ("tag:yaml.org,2002:null", "null|~|", "n~\0"),
    ("tag:yaml.org,2002:int", "-?(0|[1-9][0-9]*)", "-0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?",
        "-0123456789",
    ),
):
    _first_letters = [letter if letter != "\0" else "" for letter in _first]
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(f"^({_pattern})$"), _first_letters)


@dataclass(frozen=True, kw_only=True)
class WorkflowFile:
    """What a file says, and where."""

    name: str
    value: Any
    lines: dict[FieldPath, int] = field(default_factory=dict)

    def read(self, default_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> WorkflowDraft:
        """Return the workflow; raises ClickException with a line for each problem."""
        try:
            return read_workflow(self.value, default_timeout_seconds)
        except BadWorkflow as error:
            problems = [f"{self._place(p.path)}: {p}." for p in error.problems]
            raise click.ClickException("\n".join(problems)) from None

    @contextmanager
    def naming_lines(self) -> Iterator[None]:
        """Begin what a service finds wrong with fields with their lines."""
        try:
            yield
        except PlatformError as error:
            if not error.problems:
                raise
            sentences = [f"{self._place(path)}: {text}" for path, text in error.problems]
            raise click.ClickException("\n".join(sentences)) from None

    def _place(self, path: FieldPath) -> str:
        """Return the file and the line of a field, or else of what it is missing in."""
        for length in range(len(path), 0, -1):
            if line := self.lines.get(path[:length]):
                return f"{self.name}:{line}"
        return self.name


def open_workflow_file(name: str) -> WorkflowFile:
    """Read a file, or standard input for `-`; raises ClickException that names file and line."""
    shown = "standard input" if name == STDIN else name
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if name == STDIN else _read(Path(name))
        text = data.decode()
    except OSError as error:
        raise click.ClickException(f"{shown} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{shown} is not UTF-8.") from None
    if len(data) > MAX_BYTES:
        raise click.ClickException(f"{shown} is larger than {MAX_BYTES // 2**20} MiB.")
    is_json = name.endswith(".json") or text.lstrip().startswith("{")
    return _read_json(shown, text) if is_json else _read_yaml(shown, text)


def format_workflow_file(value: dict[str, Any]) -> str:
    """Return a file in YAML, without what says nothing."""
    steps = [{k: v for k, v in step.items() if v not in ([], {}, None)} for step in value["steps"]]
    said = {name: word for name, word in value.items() if word is not None} | {"steps": steps}
    return yaml.dump(said, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _read_json(name: str, text: str) -> WorkflowFile:
    try:
        value = read_json(text)
    except NotJson as error:
        raise click.ClickException(f"{name} {error}.") from None
    if isinstance(value, Lost):
        raise click.ClickException(f"{name} {value.problem}.")
    try:
        lines = _Reader(name).read(text.replace("\t", " ")).lines
    except click.ClickException:  # nearly all JSON is YAML
        lines = {}
    return WorkflowFile(name=name, value=value, lines=lines)


def _read_yaml(name: str, text: str) -> WorkflowFile:
    return _Reader(name).read(text)


class _Reader:
    """Makes JSON values of YAML's nodes, and notes their lines."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: dict[FieldPath, int] = {}
        self._seen: set[int] = set()

    def read(self, text: str) -> WorkflowFile:
        try:
            node = yaml.compose(text, Loader=_Loader)
            value = self._value(node, ()) if node else None
        except yaml.MarkedYAMLError as error:
            raise self._refuse(error.problem_mark, _explain(error)) from None
        except yaml.YAMLError as error:
            raise click.ClickException(f"{self._name} is not YAML: {error}.") from None
        except RecursionError:
            raise click.ClickException(f"{self._name} is nested too deep.") from None
        return WorkflowFile(name=self._name, value=value, lines=self._lines)

    def _value(self, node: yaml.Node, path: FieldPath) -> Any:
        if id(node) in self._seen:
            raise self._refuse(node.start_mark, "anchors and aliases are not read here")
        self._seen.add(id(node))
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._object(node.value, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, n)) for n, item in enumerate(node.value)]
        return self._scalar(node)

    def _object(
        self, pairs: Sequence[tuple[yaml.Node, yaml.Node]], path: FieldPath
    ) -> dict[str, Any]:
        words: dict[str, Any] = {}
        for key, value in pairs:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refuse(key.start_mark, "a name must be text")
            if key.value in words:
                raise self._refuse(key.start_mark, f"{key.value} is given a second time")
            # The line of its name, even if the value begins on the next one.
            self._lines[*path, key.value] = key.start_mark.line + 1
            words[key.value] = self._value(value, (*path, key.value))
        return words

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind == "null":
            return None
        if kind == "bool" and node.value in _BOOLEANS:
            return _BOOLEANS[node.value]
        if kind == "str":
            return node.value
        number = self._number(node.value) if kind in ("int", "float") else None
        if number is None or isinstance(number, Lost):
            problem = number.problem if number else f"!!{kind} is not read here"
            raise self._refuse(node.start_mark, problem)
        return number

    def _number(self, text: str) -> int | float | Lost | None:
        try:
            number: int | float | Lost = read_json(text)
        except NotJson:
            return None
        return number

    def _refuse(self, mark: yaml.Mark | None, problem: str) -> click.ClickException:
        place = f"{self._name}:{mark.line + 1}" if mark else self._name
        return click.ClickException(f"{place}: {problem}.")


def _explain(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "this is not YAML"
    if "alias" in (error.context or "") or "alias" in problem:
        return (
            "what begins with a star must stand in quotes, a cron line for example: '*/10 * * * *'"
        )
    return f"{error.context}: {problem}" if error.context else problem

"""Reading the logs of all programs, the rotated ones, too, and what is written from now on."""

import heapq
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from deploy.log_files import BACKUPS
from deploy.log_lines import LogLine, parse

# What `up` installs is no program's log.
NO_PROGRAMS = ("install",)
# A line for every request: only shown when nginx is asked for.
CHATTY = ("nginx-access",)


def programs(directory: Path) -> list[str]:
    """Return the programs that have a log, each by the name of its file."""
    names = (path.stem for path in directory.glob("*.log"))
    return sorted(name for name in names if name not in NO_PROGRAMS)


def choose(directory: Path, program: str | None) -> list[str]:
    """Return the logs of a program, `wsd` or `wsd_0`; without one, all that are not chatty."""
    known = programs(directory)
    if program is None:
        return [name for name in known if name not in CHATTY]
    return [
        name for name in known if name == program or name.startswith((f"{program}_", f"{program}-"))
    ]


def read(
    directory: Path, names: Iterable[str], *, since: datetime | None, count: int | None
) -> list[LogLine]:
    """Return the lines since a moment, or the last ones, of all these logs in the order of time."""
    logs = [_read_one(directory, name, since, count) for name in names]
    lines = list(heapq.merge(*logs, key=lambda line: line.at))
    return lines if count is None else lines[-count:]


def _read_one(
    directory: Path, name: str, since: datetime | None, count: int | None
) -> list[LogLine]:
    """Read a log and as many of its older files as needed, from the newest back."""
    found: list[LogLine] = []
    paths = [
        directory / f"{name}.log{end}" for end in ("", *(f".{n}" for n in range(1, BACKUPS + 1)))
    ]
    for path in paths:
        try:
            older = _parse_all(path.read_bytes(), name)
        except FileNotFoundError:
            break
        found = older + found
        is_enough = since is None and count is not None and len(found) >= count
        if is_enough or (since is not None and older and older[0].at < since):
            break
    found.sort(key=lambda line: line.at)
    return [line for line in found if since is None or line.at >= since]


def _parse_all(content: bytes, name: str) -> list[LogLine]:
    lines: list[LogLine] = []
    for text in content.decode(errors="replace").splitlines():
        if text.strip():
            lines.append(parse(text, name, lines[-1] if lines else None))
    return lines


@dataclass
class _Follower:
    """One log from its present end on, across its rotation."""

    path: Path
    file: BinaryIO
    rest: bytes = b""
    last: LogLine | None = None

    def take(self) -> Iterator[LogLine]:
        """Return the whole lines that were written since the last call."""
        yield from self._read_new()
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return
        opened = self.file.fileno()
        if now.st_ino != Path(f"/proc/self/fd/{opened}").stat().st_ino:
            yield from self._read_new()  # what was written just before
            self.file.close()
            self.file = self.path.open("rb")
            yield from self._read_new()
        elif now.st_size < self.file.tell():  # it was emptied
            self.file.seek(0)
            yield from self._read_new()

    def _read_new(self) -> Iterator[LogLine]:
        *whole, self.rest = (self.rest + self.file.read()).split(b"\n")
        for content in whole:
            if content.strip():
                text = content.decode(errors="replace")
                self.last = parse(text, self.path.stem, self.last)
                yield self.last


@dataclass
class Followers:
    """All chosen logs from now on; those that appear later are read from their beginning."""

    directory: Path
    program: str | None
    _open: dict[str, _Follower] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._open_new(at_end=True)

    def take(self) -> list[LogLine]:
        """Return what was written since the last call, in the order of time."""
        self._open_new(at_end=False)
        lines = [line for follower in self._open.values() for line in follower.take()]
        return sorted(lines, key=lambda line: line.at)

    def _open_new(self, *, at_end: bool) -> None:
        names: Collection[str] = choose(self.directory, self.program)
        for name in names:
            if name not in self._open:
                path = self.directory / f"{name}.log"
                file = path.open("rb")
                file.seek(0, 2 if at_end else 0)
                self._open[name] = _Follower(path, file)

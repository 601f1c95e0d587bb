"""What commands print: tables and JSON on standard output, sentences for people on stderr."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Any

import click
import orjson
from rich.cells import cell_len, set_cell_size

from shared.domain.phrases import WallClock

HASH_CHARACTERS = 12
# On a terminal a long name must not push the other columns off the line; a pipe gets all of it.
TERMINAL_CELL = 40
REDRAW_SECONDS = 0.1
GAP = "  "
# On a narrow terminal the widest columns are cut first; but ids are copied, and times must be read.
KEPT_WHOLE = (
    *("id", "hash", "message", "execution"),
    *("at", "due", "next", "local time", "started"),
    *("state", "status", "punctuality"),
)
NARROWEST = 8
# What still does not fit is left out, from the first of these on; --json and pipes have all of it.
LEFT_OUT_FIRST = (
    "trigger",
    "why this module",
    "time zone",
    "started",
    "tries",
    "p50",
    "modules",
    "took",
    "punctuality",
    "7d",
    "late",
)
COLOURED = ("state", "status", "punctuality")
COLOURS = {
    "online": "green",
    "suspect": "yellow",
    "offline": "red",
    "ok": "green",
    "warn": "yellow",
    "fail": "red",
    "succeeded": "green",
    "on_time": "green",
    "waiting": "yellow",
    "running": "yellow",
    "skipped": "yellow",
    "late": "yellow",
    "failed": "red",
    "timed_out": "red",
    "missed": "red",
    "missing": "red",
    "success": "green",
    "failure": "red",
    "dead": "red",
    "expired": "yellow",
    "cancelled": "yellow",
}


def print_json(value: Any) -> None:
    """Print a value as JSON, times in UTC with Z."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, shorten: bool = False
) -> None:
    """Print a table; with shorten, it is cut to fit when a person looks at it."""
    on_terminal = sys.stdout.isatty()
    if shorten and on_terminal:
        room = shutil.get_terminal_size().columns
        click.echo(format_table(header, rows, room=room))
    else:
        click.echo(format_table(header, rows, longest=None, colour=on_terminal))


def print_sentence(sentence: str, timezone: str, now: datetime) -> None:
    """Print a sentence whose times are those of a zone; say so where that is not the machine's."""
    click.echo(sentence)
    if not is_local(now, WallClock.of(timezone, now).zone):
        say(f"Times in this sentence are those of {timezone}.")


def say(sentence: str) -> None:
    """Print a sentence for the operator on standard error."""
    click.echo(sentence, err=True)


def format_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    longest: int | None = TERMINAL_CELL,
    room: int | None = None,
    colour: bool = True,
) -> str:
    """Return aligned columns (rich's own tables need a second for a thousand rows).

    None of the cells is wider than `longest`, and no line than `room`, as far as that is possible.
    """
    lines = [[_shorten(printable(cell), longest) for cell in row] for row in [header, *rows]]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if room is not None:
        fitting = _fit(header, widths, room)
        header, widths = [header[i] for i in fitting], list(fitting.values())
        lines = [[_shorten(cells[i], width) for i, width in fitting.items()] for cells in lines]
    head, *body = [_align(cells, widths) for cells in lines]
    if colour and wants_colour():
        head = [click.style(cell, bold=True) for cell in head]
        for column in [header.index(name) for name in COLOURED if name in header]:
            for cells in body:
                cells[column] = _paint(cells[column])
    return "\n".join(GAP.join(cells).rstrip() for cells in [head, *body])


def _fit(header: Sequence[str], widths: Sequence[int], room: int) -> dict[int, int]:
    """Return {column: width} of what has room on a line."""
    fitting = dict(enumerate(widths))
    least = {
        i: width if header[i] in KEPT_WHOLE else min(width, NARROWEST)
        for i, width in fitting.items()
    }
    for name in LEFT_OUT_FIRST:
        if _line_width(least[i] for i in fitting) <= room:
            break
        fitting = {i: width for i, width in fitting.items() if header[i] != name}
    while _line_width(fitting.values()) > room:
        widest = max(fitting, key=lambda i: (fitting[i] > least[i], fitting[i]))
        if fitting[widest] == least[widest]:
            break
        fitting[widest] -= 1
    return fitting


def _line_width(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + len(GAP) * (len(widths) - 1)


def wants_colour() -> bool:
    """Return whether colours may be used: NO_COLOR is a convention of terminals, no setting."""
    return not os.environ.get("NO_COLOR")  # noqa: TID251


def format_age(age: timedelta) -> str:
    """Return an age as people say it: 40s, 3m, 5h, 12d."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def format_time(moment: datetime, zone: tzinfo | None = None) -> str:
    """Return a moment in the local time of this machine, or of a zone."""
    return moment.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def is_local(moment: datetime, zone: tzinfo) -> bool:
    """Return whether this machine's clocks and those of a zone show a moment in the same way."""
    return moment.astimezone().utcoffset() == moment.astimezone(zone).utcoffset()


def format_clock(moment: datetime, zone: tzinfo) -> str:
    """Return what the clocks of a zone show; where that is said beside it, or known."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def printable(text: str) -> str:
    """Replace control characters: modules choose their names, and terminals obey escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _shorten(text: str, longest: int | None) -> str:
    if longest is None or cell_len(text) <= longest:
        return text
    return set_cell_size(text, longest - 1).rstrip() + "…"


def _align(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [c + " " * (width - cell_len(c)) for c, width in zip(cells, widths, strict=True)]


def _paint(cell: str) -> str:
    colour = COLOURS.get(cell.split(" ", 1)[0])
    return click.style(cell, fg=colour) if colour else cell


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show a bar on a terminal's stderr; yield what is called with how far it got."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    drawn = 0.0

    def report(done: int) -> None:
        nonlocal drawn
        # Called for every line of a file: looking at the clock is cheap, a lock and a bar are not.
        if (now := time.monotonic()) - drawn >= REDRAW_SECONDS:
            drawn = now
            bar.update(task, completed=done)

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield report

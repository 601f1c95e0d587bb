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

from cli.table import Column, Table, format_table
from shared.domain.phrases import WallClock

HASH_CHARACTERS = 12
REDRAW_SECONDS = 0.1


def print_json(value: Any) -> None:
    """Print a value as JSON, times in UTC with Z."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))


def print_table(
    columns: Sequence[Column | str], rows: Iterable[Sequence[str]], *, wide: bool = False
) -> None:
    """Print a table; one that a person looks at fits the terminal, unless it shall be wide."""
    on_terminal = sys.stdout.isatty()
    room = shutil.get_terminal_size().columns if on_terminal and not wide else None
    table = format_table(columns, rows, room=room, colour=on_terminal and wants_colour())
    click.echo(str(table))
    if table.left_out:
        say(tell_left_out(table))


def tell_left_out(table: Table) -> str:
    """Return the sentence about the columns that a table had no room for."""
    return f"Left out, as there is no room: {', '.join(table.left_out)} (--wide shows all)."


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print everything about one thing, a line for each field."""
    colour = sys.stdout.isatty() and wants_colour()
    click.echo(str(format_table(("field", "value"), fields, colour=colour)))


def print_sentence(sentence: str, timezone: str, now: datetime) -> None:
    """Print a sentence whose times are those of a zone; say so where that is not the machine's."""
    click.echo(sentence)
    if not is_local(now, WallClock.of(timezone, now).zone):
        say(f"Times in this sentence are those of {timezone}.")


def say(sentence: str) -> None:
    """Print a sentence for the operator on standard error."""
    click.echo(sentence, err=True)


def wants_colour() -> bool:
    """Return whether colours may be used: NO_COLOR is a convention of terminals, no setting."""
    return not os.environ.get("NO_COLOR")  # noqa: TID251


def format_age(age: timedelta) -> str:
    """Return an age as people say it: 40s, 1m59s, 5h, 12d4h."""
    left = max(0, int(age.total_seconds()))
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, left = divmod(left, size)
        if parts or count:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2]) or "0s"


def format_time(moment: datetime, zone: tzinfo | None = None) -> str:
    """Return a moment in the local time of this machine, or of a zone."""
    return moment.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def is_local(moment: datetime, zone: tzinfo) -> bool:
    """Return whether this machine's clocks and those of a zone show a moment in the same way."""
    return moment.astimezone().utcoffset() == moment.astimezone(zone).utcoffset()


def format_clock(moment: datetime, zone: tzinfo) -> str:
    """Return what the clocks of a zone show; where that is said beside it, or known."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


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

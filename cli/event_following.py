"""platformctl events --follow: what happens, as it happens, until Ctrl-C."""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click
import orjson
from rich.cells import cell_len

from cli import render
from cli.context import DatabaseDown, Platform
from cli.events import COLUMNS, to_row
from cli.table import Table, format_table
from shared.clock import utc_now

if TYPE_CHECKING:
    from shared.services.event_history import EventFilter, HistoryEntry

LOOK_AGAIN_SECONDS = 1.0
# Some events are recorded later than they happened: a lost node's, by the end of its lease.
RECORDED_WITHIN = timedelta(minutes=2)
# Until there are rows to measure: what most of them need.
USUAL_ROW = (
    "2026-11-21 10:00:00+00:00",
    "x" * 20,
    "x" * 12,
    "registered",
    "connection_lost",
    "platform",
    "",
)


def follow_events(
    platform: Platform, wanted: "EventFilter", limit: int | None, *, as_json: bool, wide: bool
) -> None:
    """Print what happened, then what happens; an outage of the database does not end it."""
    printer = _print_json_lines if as_json else Rows(wide=wide).print
    reader = Reader(wanted, limit)
    is_away = False
    try:
        while True:
            try:
                printer(reader.read(platform))
                is_away = False
            except DatabaseDown as error:
                if not is_away:
                    render.say(error.message)
                is_away = True
            sys.stdout.flush()
            time.sleep(LOOK_AGAIN_SECONDS)
    except KeyboardInterrupt:
        return


class Reader:
    """Reads what was not read before: the last minutes again and again, for latecomers."""

    def __init__(self, wanted: "EventFilter", limit: int | None) -> None:
        from shared.services.module_directory import ModuleDirectory

        self._wanted = wanted
        self._limit = limit
        self._directory = ModuleDirectory()
        self._known: set[str] = set()
        self._begin = wanted.since or utc_now() - RECORDED_WITHIN

    def read(self, platform: Platform) -> "list[HistoryEntry]":
        """Return the events that are new, oldest first."""
        from shared.services.event_history import oldest_first, read_history

        now = utc_now()
        with platform.open_store() as store:
            found = read_history(
                store, self._wanted, now, limit=self._limit, directory=self._directory
            ).entries
        new = [entry for entry in found if entry.event.id not in self._known]
        if self._limit is not None and found:
            self._begin = found[-1].event.at
        since = max(now - RECORDED_WITHIN, self._begin)
        self._known = {e.event.id for e in found if e.event.at >= since}
        self._wanted, self._limit = replace(self._wanted, since=since), None
        return oldest_first(new)


class Rows:
    """Prints rows under one head, in columns that keep their widths as far as that is possible."""

    def __init__(self, *, wide: bool) -> None:
        self._on_terminal = sys.stdout.isatty()
        self._wide = wide
        self._has_head = False
        self._widest = USUAL_ROW

    def print(self, entries: "Sequence[HistoryEntry]") -> None:
        """Print rows; the head goes before the first ones."""
        if not entries and self._has_head:
            return
        rows = [to_row(entry) for entry in entries]
        # The last column needs no width.
        cells = zip(self._widest[:-1], *(row[:-1] for row in rows), strict=True)
        self._widest = (*(max(column, key=cell_len) for column in cells), "")
        table = self._format([self._widest, *rows])
        first = 0 if not self._has_head else 2
        lines = [line for number, line in enumerate(table.lines) if number != 1 and number >= first]
        click.echo("\n".join(lines))
        if not self._has_head and table.left_out:
            render.say(render.tell_left_out(table))
        self._has_head = True

    def _format(self, rows: Sequence[Sequence[str]]) -> Table:
        room = shutil.get_terminal_size().columns if self._on_terminal and not self._wide else None
        colour = self._on_terminal and render.wants_colour()
        return format_table(COLUMNS, rows, room=room, colour=colour)


def _print_json_lines(entries: "Sequence[HistoryEntry]") -> None:
    """Print each event as JSON on a line of its own."""
    from shared.services.event_history import to_event_item

    for entry in entries:
        click.echo(orjson.dumps(to_event_item(entry), option=orjson.OPT_UTC_Z))

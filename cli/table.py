"""Tables: aligned columns that fit a terminal, whatever stands in them.

In a narrow terminal names are cut in their middle and texts at their end; then the least important
columns are left out. Without a width, as in a pipe, everything stands there whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import click
from rich.cells import cell_len

GAP = "  "
CUT = "…"
TEXT_LEAST, NAME_LEAST = 8, 20
COLOURS = {
    "green": ("online", "ok", "succeeded", "on_time", "success"),
    "yellow": ("suspect", "warn", "waiting", "running", "skipped", "late", "expired", "cancelled"),
    "red": ("offline", "fail", "failed", "timed_out", "missed", "missing", "failure", "dead"),
    "magenta": ("disabled", "paused"),
}
_COLOUR_OF = {word: colour for colour, words in COLOURS.items() for word in words}


@dataclass(frozen=True)
class Column:
    """A column, by its heading.

    One with a `rank` is left out when there is no room, the lowest rank first; no cell of the
    others becomes narrower than `least`, or at all without one: ids are copied, times are read.
    """

    heading: str
    rank: int = 0
    least: int | None = None
    is_name: bool = False
    is_time: bool = False
    is_coloured: bool = False

    @classmethod
    def whole(cls, heading: str, rank: int = 0) -> "Column":
        """Return a column of ids or words that are never cut."""
        return cls(heading, rank)

    @classmethod
    def state(cls, heading: str, rank: int = 0) -> "Column":
        """Return a column of states, which are coloured."""
        return cls(heading, rank, is_coloured=True)

    @classmethod
    def name(cls, heading: str, rank: int = 0) -> "Column":
        """Return a column of names: their begin and their end tell them apart."""
        return cls(heading, rank, least=NAME_LEAST, is_name=True)

    @classmethod
    def time(cls, heading: str, rank: int = 0) -> "Column":
        """Return a column of times of this machine; where room is short, without their offset."""
        return cls(heading, rank, least=len("2026-11-21 10:00:00"), is_time=True)

    @classmethod
    def text(cls, heading: str, rank: int = 0, least: int = TEXT_LEAST) -> "Column":
        """Return a column of texts, whose begin tells the most."""
        return cls(heading, rank, least=least)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it is printed: its lines, the first one its head, and what had no room."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def format_table(
    headings: Sequence[Column | str],
    rows: Iterable[Sequence[str]],
    *,
    room: int | None = None,
    colour: bool = False,
) -> Table:
    """Return rows in aligned columns, none wider than `room` as far as that is possible.

    A heading alone stands for a column that is never cut, nor left out.
    """
    columns = [Column(it) if isinstance(it, str) else it for it in headings]
    cells = [
        [printable(_begin(cell, column, room)) for column, cell in zip(columns, row, strict=True)]
        for row in rows
    ]
    widths = [
        max(cell_len(column.heading), *(cell_len(row[i]) for row in cells), 0)
        for i, column in enumerate(columns)
    ]
    fitting = _fit(columns, widths, room)
    head = _align([column.heading for column in columns], columns, fitting)
    lines = [_align(row, columns, fitting) for row in cells]
    if colour:
        head = [click.style(cell, bold=True) for cell in head]
        lines = [_paint(line, columns, fitting) for line in lines]
    return Table(
        lines=tuple(GAP.join(line).rstrip() for line in [head, *lines]),
        left_out=tuple(c.heading for i, c in enumerate(columns) if i not in fitting),
    )


def _fit(columns: Sequence[Column], widths: Sequence[int], room: int | None) -> dict[int, int]:
    """Return {column: width} of what has room on a line."""
    fitting = dict(enumerate(widths))
    if room is None:
        return fitting
    least = {i: min(width, columns[i].least or width) for i, width in fitting.items()}
    left_out = _leave_out(columns, least, room)
    fitting = {i: width for i, width in fitting.items() if i not in left_out}
    if _line_width(fitting.values()) > room:
        fitting |= {i: least[i] for i in fitting if columns[i].is_time}
    while _line_width(fitting.values()) > room:
        widest = max(fitting, key=lambda i: (fitting[i] > least[i], fitting[i]))
        if fitting[widest] <= least[widest]:
            break
        fitting[widest] -= 1
    return fitting


def _leave_out(columns: Sequence[Column], least: Mapping[int, int], room: int) -> set[int]:
    """Return the columns without which the others have room, the lowest ranks first."""
    left_out: list[int] = []
    for i in sorted((i for i, c in enumerate(columns) if c.rank), key=lambda i: columns[i].rank):
        if _line_width(width for j, width in least.items() if j not in left_out) <= room:
            break
        left_out.append(i)
    for i in reversed(left_out):  # a narrow one may have room where a wide one had not
        others = [j for j in left_out if j != i]
        if _line_width(width for j, width in least.items() if j not in others) <= room:
            left_out = others
    return set(left_out)


def _line_width(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _begin(cell: str, column: Column, room: int | None) -> str:
    """Return as much of a long text as may be shown: it may be a message of 256 KiB."""
    if room is None or column.least is None or column.is_name or len(cell) <= room:
        return cell
    return cell[: room + 1]


def printable(cell: str) -> str:
    """Replace control characters: modules choose their names, and terminals obey escapes."""
    if cell.isprintable():
        return cell
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cell)


def _cut(cell: str, column: Column, width: int) -> str:
    """Return a cell that is no wider than this; Chinese characters are two cells wide."""
    if cell_len(cell) <= width:
        return cell
    if column.is_time:
        return cell[: column.least]
    if not column.is_name:
        return _take(cell, width - 1).rstrip() + CUT
    end = _take(reversed(cell), (width - 1) // 2)[::-1]
    return _take(cell, width - 1 - cell_len(end)) + CUT + end


def _take(characters: Iterable[str], room: int) -> str:
    """Return the first characters that have room."""
    taken: list[str] = []
    for character in characters:
        room -= cell_len(character)
        if room < 0:
            break
        taken.append(character)
    return "".join(taken)


def _align(row: Sequence[str], columns: Sequence[Column], fitting: Mapping[int, int]) -> list[str]:
    """Return those cells of a row that fit, each as wide as its column."""
    cells = [_cut(row[i], columns[i], width) for i, width in fitting.items()]
    return [c + " " * (w - cell_len(c)) for c, w in zip(cells, fitting.values(), strict=True)]


def _paint(cells: Sequence[str], columns: Sequence[Column], fitting: Iterable[int]) -> list[str]:
    """Return the cells with their states in colour."""
    painted = []
    for i, cell in zip(fitting, cells, strict=True):
        colour = _COLOUR_OF.get(cell.split(" ", 1)[0]) if columns[i].is_coloured else None
        painted.append(click.style(cell, fg=colour) if colour else cell)
    return painted

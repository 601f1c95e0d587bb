"""Tables fit the terminal that they are printed on."""

import click
import pytest
from rich.cells import cell_len

from cli.executions import COLUMNS as EXECUTIONS
from cli.table import Column, format_table

NAME = "华东电网负荷预测七十二小时滚动模型"
EXECUTION = (
    "12-20261121T013000",
    NAME,
    "2026-11-21 09:30:00+08:00",
    "succeeded",
    "on_time",
    "1 min 12 s",
    "schedule",
    "-",
)


def lines_of(columns: tuple[Column, ...], *rows: tuple[str, ...], room: int) -> list[str]:
    """Return the lines below the head."""
    return list(format_table(columns, rows, room=room).lines[1:])


def test_a_table_is_as_wide_as_the_terminal_at_most() -> None:
    table = format_table(EXECUTIONS, [EXECUTION], room=80)
    assert max(map(cell_len, table.lines)) <= 80
    assert "12-20261121T013000" in table.lines[1]
    assert "2026-11-21 09:30:00" in table.lines[1]
    assert "trigger" in table.left_out
    assert "trigger" not in table.lines[0]


def test_a_table_that_fits_is_left_alone() -> None:
    whole = format_table(EXECUTIONS, [EXECUTION])
    assert format_table(EXECUTIONS, [EXECUTION], room=200) == whole
    assert whole.left_out == ()


def test_the_least_important_column_is_left_out_first() -> None:
    columns = (Column.whole("a", rank=2), Column.whole("b", rank=1), Column.whole("c"))
    left_out = [
        format_table(columns, [("a" * 9, "b" * 9, "c")], room=n).left_out for n in (23, 15, 5)
    ]
    assert left_out == [(), ("b",), ("a", "b")]


def test_a_narrow_column_stays_where_a_more_important_one_had_no_room() -> None:
    columns = (Column.whole("id"), Column.whole("tries", rank=1), Column.whole("why", rank=2))
    table = format_table(columns, [("i" * 10, "1", "w" * 20)], room=20)
    assert (table.lines[1], table.left_out) == ("iiiiiiiiii  1", ("why",))


def test_texts_are_cut_before_a_column_is_left_out() -> None:
    columns = (Column.text("reason"), Column.whole("peer", rank=1))
    table = format_table(columns, [("r" * 30, "p" * 10)], room=20)
    assert (table.lines[1], table.left_out) == ("rrrrrrr…  pppppppppp", ())


def test_a_long_name_keeps_its_begin_and_its_end() -> None:
    (line,) = lines_of((Column.name("name"),), ("load-forecast-north-east-72h",), room=20)
    assert line == "load-forec…-east-72h"


@pytest.mark.parametrize("room", range(20, 34))
def test_a_chinese_name_fits_the_columns_that_are_left(room: int) -> None:
    (line,) = lines_of((Column.name("name"),), (NAME,), room=room)
    assert room - 2 <= cell_len(line) <= room
    assert line.startswith("华东")
    assert line.endswith("模型")


def test_times_lose_their_offset_before_names_are_cut() -> None:
    columns = (Column.time("at"), Column.name("name"))
    (line,) = lines_of(columns, ("2026-11-21 09:30:00+08:00", "load-forecast-north"), room=41)
    assert line == "2026-11-21 09:30:00  load-forecast-north"


def test_ids_are_never_cut() -> None:
    columns = (Column.whole("message"), Column.text("reason"))
    (line,) = lines_of(columns, ("m" * 32, "r" * 30), room=20)
    assert line == f"{'m' * 32}  {'r' * 7}…"


def test_a_text_as_long_as_a_message_is_cut_at_once() -> None:
    columns = (Column.whole("id"), Column.text("content"))
    (line,) = lines_of(columns, ("1", "x" * 256 * 1024), room=80)
    assert cell_len(line) == 80


def test_states_are_coloured_and_stay_aligned() -> None:
    columns = (Column.state("state"), Column.whole("id"))
    table = format_table(columns, [("online", "1"), ("disabled", "2")], colour=True)
    assert "\x1b[32monline" in table.lines[1]
    assert [click.unstyle(line) for line in table.lines] == [
        "state     id",
        "online    1",
        "disabled  2",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    assert format_table((Column.whole("id"), Column.name("name")), []).lines == ("id  name",)

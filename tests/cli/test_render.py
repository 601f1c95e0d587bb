"""Tables fit the terminal that they are printed on."""

from rich.cells import cell_len

from cli.render import format_table

NAME = "华东电网负荷预测七十二小时滚动模型"
HEADER = ("execution", "workflow", "due", "status", "punctuality", "took", "trigger", "reason")
ROW = (
    "12-20261121T013000",
    NAME,
    "2026-11-21 09:30:00+08:00",
    "succeeded",
    "on_time",
    "1 min 12 s",
    "schedule",
    "-",
)


def test_a_table_is_as_wide_as_the_terminal_at_most() -> None:
    lines = format_table(HEADER, [ROW], room=80, colour=False).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert "12-20261121T013000" in lines[1]
    assert "2026-11-21 09:30:00+08:00" in lines[1]
    assert "华东" in lines[1]
    assert "trigger" not in lines[0]


def test_a_table_that_fits_is_left_alone() -> None:
    assert format_table(HEADER, [ROW], room=200) == format_table(HEADER, [ROW])


def test_the_widest_column_is_cut_first() -> None:
    told = format_table(("subject", "what"), [("step forecast", "x" * 39)], room=40, colour=False)
    assert told.splitlines()[1] == f"step forecast  {'x' * 24}…"


def test_ids_are_never_cut() -> None:
    told = format_table(("message", "reason"), [("m" * 32, "r" * 30)], room=20, colour=False)
    assert told.splitlines()[1] == f"{'m' * 32}  {'r' * 7}…"

"""docs/states.md and its Chinese twin explain every state and reason, in the code's own order."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from shared.domain.execution import ExecutionStatus, MissReason, StepStatus, Trigger
from shared.domain.message import EndReason, MessageStatus
from shared.domain.punctuality import Punctuality
from shared.domain.result import ResultStatus
from shared.domain.workflow import Misfire, Overlap

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("states.md", "states.zh-CN.md")
# In the order of the tables.
EXPLAINED: tuple[type[StrEnum], ...] = (
    MessageStatus,
    ResultStatus,
    EndReason,
    ExecutionStatus,
    MissReason,
    Trigger,
    StepStatus,
    Punctuality,
    Overlap,
    Misfire,
)


def tables(page: str) -> list[list[list[str]]]:
    """Return the rows of each table, as cells, without their heads."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
        for table in found
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_member_of_every_enumeration_has_its_row(page: str) -> None:
    told = [[row[0] for row in rows] for rows in tables(page)]
    assert told == [[f"`{member.value}`" for member in kind] for kind in EXPLAINED]


@pytest.mark.parametrize("page", PAGES)
def test_every_row_says_what_it_means(page: str) -> None:
    assert [row for rows in tables(page) for row in rows if len(row) < 2 or not row[1]] == []


def test_the_twins_have_the_same_chapters() -> None:
    chapters = [
        re.findall(r"^#+", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
        for page in PAGES
    ]
    assert chapters[0] == chapters[1]

"""One line of doctor: what was looked at, what was found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"  # it works, but not as it should
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One finding; the advice says what to do, and is empty when there is nothing to do."""

    name: str
    status: Status
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """Return a finding that needs nothing."""
    return Check(name, Status.OK, found)


def warn(name: str, found: str, advice: str) -> Check:
    """Return a finding that an operator should look into."""
    return Check(name, Status.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Check:
    """Return a finding that keeps the platform from working."""
    return Check(name, Status.FAIL, found, advice)

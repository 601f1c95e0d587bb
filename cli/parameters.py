"""What operators may type for a module, a workflow and a time."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from cli.context import Platform
from shared.clock import utc_now
from shared.domain.module import normalise
from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store import Store

COMPLETIONS_MAX = 100
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class ModuleReference(click.ParamType[str]):
    """A module's name, its module_id, or its hash from the first eight characters on."""

    name = "module"

    def convert(
        self, value: str, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        """Return the text as it is; the command finds its module."""
        if not value.strip():
            self.fail("a module is named by its name, its module_id or its hash.", param, context)
        return value

    def shell_complete(
        self, context: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the names of modules that begin so."""
        from shared.services.module_directory import ModuleDirectory

        def read(store: "Store") -> list[str]:
            return [entry.name for entry in ModuleDirectory().all(store)]

        return _offer_names(context, incomplete, read)


class WorkflowReference(click.ParamType[str]):
    """A workflow's name or its workflow_id."""

    name = "workflow"

    def shell_complete(
        self, context: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the names of workflows that begin so."""

        def read(store: "Store") -> list[str]:
            return list(store.workflows.names().values())

        return _offer_names(context, incomplete, read)


def _offer_names(
    context: click.Context, begun: str, read: "Callable[[Store], list[str]]"
) -> list[CompletionItem]:
    """Offer names that begin so, in any case; nothing while the database does not answer."""
    platform = context.find_object(Platform) or Platform()
    try:
        with platform.open_store() as store:
            names = read(store)
    except (click.ClickException, SettingsError):
        return []
    begun = normalise(begun).casefold()
    offered = sorted({name for name in names if name.casefold().startswith(begun)})
    return [CompletionItem(name) for name in offered[:COMPLETIONS_MAX]]


class Since(click.ParamType[datetime]):
    """A moment: so long ago (`2h`), or a date with or without a time."""

    name = "since"
    direction = -1  # of a span without a date: into the past

    def convert(
        self, value: "str | datetime", param: click.Parameter | None, context: click.Context | None
    ) -> datetime:
        """Return the moment in UTC; without a zone it is the local time of this machine."""
        if isinstance(value, datetime):
            return value
        try:
            if seconds := _read_seconds(value):
                return utc_now() + self.direction * timedelta(seconds=seconds)
            return datetime.fromisoformat(value.strip()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither 90s, 30m, 2h, 7d nor 2026-11-21T10:00.", param, context
            )


class Moment(Since):
    """A moment to come: in so long (`2h`), or a date with or without a time."""

    name = "moment"
    direction = 1


class Duration(click.ParamType[int]):
    """So many seconds, written as 90, 90s, 30m or 2h."""

    name = "duration"

    def convert(
        self, value: "str | int", param: click.Parameter | None, context: click.Context | None
    ) -> int:
        """Return the seconds."""
        if isinstance(value, int):
            return value
        seconds = int(value) if value.isascii() and value.isdecimal() else _read_seconds(value)
        if not seconds:
            self.fail(f"{value!r} is no time such as 90, 90s, 30m or 2h.", param, context)
        return seconds


def _read_seconds(text: str) -> int:
    """Return the seconds of 90s, 30m, 2h, 7d or 1w; 0 for anything else."""
    parts = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    return int(parts[1]) * int(timedelta(**{UNITS[parts[2]]: 1}).total_seconds()) if parts else 0


MODULE = ModuleReference()
WORKFLOW = WorkflowReference()
SINCE = Since()
MOMENT = Moment()
DURATION = Duration()

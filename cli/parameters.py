"""What operators may type for a module, a workflow and a time."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from cli.context import Platform
from shared.clock import utc_now
from shared.domain.module import normalise
from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from shared.domain.module import ModuleEntry
    from shared.store import Store

COMPLETIONS_MAX = 100
HASH_BEGUN = 4  # so many digits of a hash have the shell offer hashes
LATELY = timedelta(hours=1)
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
        """Offer the names of modules that begin so, their numbers, and their hashes."""

        def read(store: "Store") -> list[CompletionItem]:
            entries = _read_entries(store)
            offered = [CompletionItem(entry.name) for entry in entries]
            if incomplete.isdecimal():
                offered += [CompletionItem(str(e.module_id), help=e.name) for e in entries]
            if len(incomplete) >= HASH_BEGUN:
                offered += [CompletionItem(e.module_hash, help=e.name) for e in entries]
            return offered

        return _offer(context, incomplete, read)


class Offered(click.ParamType[str]):
    """Any word; the shell offers those that the database knows."""

    def __init__(self, name: str, read: "Callable[[Store], Iterable[str]]") -> None:
        self.name = name
        self._read = read

    def shell_complete(
        self, context: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the words that begin so."""
        return _offer(context, incomplete, lambda store: map(CompletionItem, self._read(store)))


def _offer(
    context: click.Context, begun: str, read: "Callable[[Store], Iterable[CompletionItem]]"
) -> list[CompletionItem]:
    """Offer what begins so, in any case; nothing while the database does not answer."""
    platform = context.find_object(Platform) or Platform()
    begun = normalise(begun).casefold()
    try:
        with platform.open_store() as store:
            found = {i.value: i for i in read(store) if i.value.casefold().startswith(begun)}
    except (click.ClickException, SettingsError):
        return []
    return [found[value] for value in sorted(found)[:COMPLETIONS_MAX]]


def _read_entries(store: "Store") -> "list[ModuleEntry]":
    from shared.services.module_directory import ModuleDirectory

    return ModuleDirectory().all(store)


def _read_messages(store: "Store") -> list[str]:
    """Return the messages that are open, or were made lately."""
    from shared.domain.message import OPEN, MessageStatus

    waiting = store.messages.everywhere(list(OPEN), None)
    lately = store.messages.everywhere(list(MessageStatus), utc_now() - LATELY)
    return [message.id for message in (*waiting, *lately)]


def _read_executions(store: "Store") -> list[str]:
    from shared.services.execution_listing import list_executions

    return [e.id for e in list_executions(store, utc_now(), limit=COMPLETIONS_MAX)]


def _read_explained(store: "Store") -> list[str]:
    return [*store.workflows.names().values(), *_read_executions(store), *_read_messages(store)]


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


class SortKey(click.ParamType["Order"]):
    """A key of a listing, or -key for the other way round."""

    name = "key"

    def __init__(self, keys: "Mapping[str, Callable[[dict[str, Any]], Any]]") -> None:
        self._keys = keys

    def convert(
        self, value: "str | Order", param: click.Parameter | None, context: click.Context | None
    ) -> "Order":
        """Return the order that the word stands for."""
        if isinstance(value, Order):
            return value
        key = self._keys.get(value.removeprefix("-"))
        if key is None:
            self.fail(f"{value!r} is none of: {', '.join(self._keys)}.", param, context)
        return Order(key=key, is_reversed=value.startswith("-"))

    def shell_complete(
        self, context: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the keys."""
        sign = "-" if incomplete.startswith("-") else ""
        return [CompletionItem(sign + k) for k in self._keys if (sign + k).startswith(incomplete)]


@dataclass(frozen=True, kw_only=True)
class Order:
    """How the items of a listing are sorted."""

    key: "Callable[[dict[str, Any]], Any]"
    is_reversed: bool

    def sort(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the items in this order; those with the same key stay as they are."""
        return sorted(items, key=self.key, reverse=self.is_reversed)


MODULE = ModuleReference()
MODULE_NAME = Offered("text", lambda store: (entry.name for entry in _read_entries(store)))
KIND = Offered("kind", lambda store: {e.mission_kind for e in _read_entries(store)} - {""})
TAG = Offered("tag", lambda store: {tag for e in _read_entries(store) for tag in e.tags})
WORKFLOW = Offered("workflow", lambda store: store.workflows.names().values())
MESSAGE = Offered("message", _read_messages)
EXECUTION = Offered("execution", _read_executions)
EXPLAINED = Offered("id", _read_explained)
SINCE = Since()
MOMENT = Moment()
DURATION = Duration()

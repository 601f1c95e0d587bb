"""platformctl send: work for one module, or for many."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit
from click.shell_completion import CompletionItem

from cli import render
from cli.context import Platform, pass_platform
from cli.deliveries import look_at_deliveries, tell_waiting
from cli.options import json_option
from cli.parameters import DURATION, KIND, MODULE, MOMENT, TAG
from cli.result_waiting import FOR_EVER, name_of, print_results, wait_for
from cli.table import Column
from shared.clock import utc_now
from shared.domain.draft import (
    LONGEST_TIMEOUT_SECONDS,
    Draft,
    find_content_problem,
    find_id_problem,
    find_life_problem,
)
from shared.domain.ids import MessageId
from shared.domain.json_document import NotJson, read_json
from shared.domain.message import DEFAULT_PRIORITY, DEFAULT_TIMEOUT_SECONDS
from shared.domain.module import normalise
from shared.errors import PlatformError

if TYPE_CHECKING:
    from shared.services.module_directory import ModuleDirectory
    from shared.services.sending import MessageSender, Sent
    from shared.store import Store

COLUMNS = (Column.whole("message"), Column.name("module"), Column.whole("delivery"))
SENT_AT_ONCE = 100
QUOTES = """put JSON in single quotes, as in platformctl send MODULE '{"seconds": 1}'"""


def _complete(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return MODULE.shell_complete(context, parameter, incomplete)


@click.command()
@click.argument("words", metavar="[MODULE] CONTENT", nargs=-1, shell_complete=_complete)
@click.option("--kind", type=KIND, help="To every module of this missionKind.")
@click.option("--tag", type=TAG, help="To every module with this tag.")
@click.option(
    "--one", is_flag=True, help="With --kind: to the best one only, by priority and open work."
)
@click.option(
    "--fallback", multiple=True, metavar="MODULE", type=MODULE, help="Takes over if it is away."
)
@click.option("--text", "is_text", is_flag=True, help="Send the content as text, JSON or not.")
@click.option("--id", "message_id", help="The same id again is the same message.")
@click.option(
    "--until",
    metavar="TIME",
    type=MOMENT,
    help="Give it up then, if it still waits: 30m, a date; 2h without it.",
)
@click.option(
    "--timeout",
    metavar="TIME",
    type=DURATION,
    default=int(DEFAULT_TIMEOUT_SECONDS),
    help="From the push to the result: 90, 30m, 1d; 2h without it.",
)
@click.option("--priority", type=click.IntRange(0, 2**31 - 1), default=DEFAULT_PRIORITY)
@click.option(
    "--wait",
    "wait_seconds",
    metavar="[=TIME]",
    is_flag=False,
    flag_value=FOR_EVER,
    type=DURATION,
    help="Print the result; exit with 1 unless it is a success.",
)
@json_option
@pass_platform
def send(
    platform: Platform,
    /,
    words: tuple[str, ...],
    message_id: str | None,
    wait_seconds: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Send work to a module.

    MODULE is its name, its module_id, or its hash (8 characters are enough). CONTENT is JSON, or
    text; - reads it from standard input. A module that is offline gets it when it connects.
    """
    reference, content = _read_words(words, options)
    _check(content, message_id, options["until"], options["timeout"])
    with platform.open_store() as store:
        sender, directory = open_sender(platform)
        targets = _find_targets(store, directory, reference, options)
        drafts = [
            Draft(
                content=content,
                sender=platform.actor,
                message_id=_make_id(message_id, target, len(targets)),
                useful_until=options["until"],
                timeout_seconds=options["timeout"],
                priority=options["priority"],
                **target,
            )
            for target in targets
        ]
        sent, refused = _send(store, sender, drafts)
        for error in refused:
            render.say(f"Not sent: {error.message}")
        if wait_seconds is None:
            _tell(sent, look_at_deliveries(store, sent), as_json=as_json)
            is_success = True
        else:
            ended = wait_for(store, sent, wait_seconds)
            is_success = print_results(store, sent, ended, as_json=as_json)
    if refused or not is_success:
        raise Exit(1)


def _read_words(words: Sequence[str], options: dict[str, Any]) -> tuple[str | None, str]:
    """Return (module, content): the module is missing where --kind or --tag names many."""
    is_for_many = bool(options["kind"] or options["tag"])
    if options["one"] and (not options["kind"] or options["tag"]):
        raise click.UsageError("--one chooses among the modules of a --kind.")
    if len(words) != (1 if is_for_many else 2):
        if any(word.startswith(("{", "[")) for word in words[:-1]):
            raise click.UsageError(f"The shell split the content into words: {QUOTES}")
        raise click.UsageError(
            "With --kind or --tag, give the content and no MODULE."
            if is_for_many
            else "Give a MODULE and the content, or --kind or --tag and the content."
        )
    if is_for_many and options["fallback"] and not options["one"]:
        raise click.UsageError("--fallback is for one module: beside MODULE, or --kind and --one.")
    return (None if is_for_many else words[0]), _read_content(words[-1], options["is_text"])


def _read_content(text: str, is_text: bool) -> str:
    """Return JSON text: the content itself if it is JSON, else a string of it."""
    import orjson

    if text == "-":
        text = sys.stdin.read()
    try:
        if not is_text:
            read_json(text)
            return text.strip()
    except NotJson as error:
        if text.lstrip().startswith(("{", "[")):
            hint = QUOTES if '"' not in text else "With --text it is sent as text."
            sentence = f"The content {error}. {hint}"
            raise click.ClickException(sentence) from None
    try:
        return orjson.dumps(text).decode()
    except TypeError:  # half a surrogate pair: the argument was not UTF-8
        raise click.ClickException("The content is not UTF-8.") from None


def _check(content: str, message_id: str | None, until: datetime | None, timeout: int) -> None:
    problems = [
        ("The content", find_content_problem(content)),
        ("--id", find_id_problem(message_id) if message_id is not None else None),
        ("--until", find_life_problem(until, utc_now()) if until else None),
        ("--timeout", "is longer than 7 days" if timeout > LONGEST_TIMEOUT_SECONDS else None),
    ]
    for name, problem in problems:
        if problem:
            raise click.ClickException(f"{name} {problem}.")


def open_sender(platform: Platform) -> "tuple[MessageSender, ModuleDirectory]":
    """Return what sends, and the directory of the modules that it looks into."""
    from shared.services.module_directory import ModuleDirectory
    from shared.services.module_listing import presence_rules
    from shared.services.queue_room import QueueRoom
    from shared.services.routing import Router
    from shared.services.sending import MessageSender

    directory = ModuleDirectory()
    router = Router(directory, presence_rules(platform.settings), platform.grace)
    return MessageSender(router, QueueRoom(), platform.grace), directory


def _find_targets(
    store: "Store", directory: "ModuleDirectory", reference: str | None, options: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return what each message is addressed to, in the words of a draft."""
    from shared.services.module_lookup import find_hash, find_kind_problem

    fallback = tuple(find_hash(store, word, directory) for word in options["fallback"])
    if reference is not None:
        return [{"module_hash": find_hash(store, reference, directory), "fallback": fallback}]
    kind = normalise(options["kind"]) if options["kind"] else None
    if options["one"]:
        return [{"mission_kind": kind, "fallback": fallback}]
    tag = normalise(options["tag"]) if options["tag"] else None
    entries = [
        entry
        for entry in sorted(directory.all(store), key=lambda entry: entry.module_id)
        if kind in (None, entry.mission_kind) and (tag is None or tag in map(normalise, entry.tags))
    ]
    if not entries:
        problem = find_kind_problem(store, kind, directory) if kind else None
        raise click.ClickException(problem or f"No module has the tag {tag!r}{_of(kind)}.")
    return [{"module_hash": entry.module_hash} for entry in entries]


def _of(kind: str | None) -> str:
    return f" and the missionKind {kind!r}" if kind else ""


def _make_id(message_id: str | None, target: dict[str, Any], count: int) -> MessageId | None:
    """Return the message's id: where there are many, each one's is made of its module, too."""
    if message_id is None or count == 1:
        return MessageId(message_id) if message_id else None
    return MessageId(f"{message_id[:110]}:{target['module_hash'][: render.HASH_CHARACTERS]}")


def _send(
    store: "Store", sender: "MessageSender", drafts: Sequence[Draft]
) -> "tuple[list[Sent], list[PlatformError]]":
    sent, refused = [], []
    for start in range(0, len(drafts), SENT_AT_ONCE):
        for outcome in sender.send(store, drafts[start : start + SENT_AT_ONCE], utc_now()):
            if isinstance(outcome, PlatformError):
                refused.append(outcome)
            else:
                sent.append(outcome)
    return sent, refused


def _tell(sent: "Sequence[Sent]", deliveries: "dict[MessageId, str]", *, as_json: bool) -> None:
    rows = [(s.message.id, name_of(s), deliveries[s.message.id]) for s in sent]
    if as_json:
        keys = ("message_id", "module_name", "delivery")
        more = [{"module_hash": s.message.module_hash, "duplicate": s.is_duplicate} for s in sent]
        render.print_json(
            [dict(zip(keys, row, strict=True)) | m for row, m in zip(rows, more, strict=True)]
        )
    elif rows:
        render.print_table(COLUMNS, rows)
    for one in sent:
        if one.is_duplicate:
            status = one.message.status
            render.say(f"The message {one.message.id} was sent before, and is {status}.")
        elif one.message.chosen_because:
            render.say(f"{name_of(one)} was chosen: {one.message.chosen_because}.")
    tell_waiting(sent, deliveries)

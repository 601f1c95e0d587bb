"""platformctl message list, show, cancel, retry."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from shared.domain.message import EndReason, Message, MessageStatus
from shared.domain.module import Module
from shared.domain.result import ResultStatus, end_of_message
from tests.cli.conftest import Run
from tests.support.builders import make_message
from tests.support.registry import Registry

Json = Callable[..., Any]


@pytest.fixture
def module(registry: Registry) -> Module:
    return registry.register("load")


def insert(registry: Registry, module: Module, message_id: str, **overrides: Any) -> Message:
    values = {"created_at": registry.now, "module_hash": module.module_hash} | overrides
    message = make_message(id=message_id, **values)
    registry.store.messages.insert([message])
    return message


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["message_id"] for item in items]


def test_without_filters_the_open_messages_of_all_modules_are_listed(
    registry: Registry, module: Module, run_json: Json
) -> None:
    other = registry.register("other")
    earlier = registry.now - timedelta(hours=1)
    insert(registry, module, "waiting", created_at=earlier, useful_until=registry.now)
    insert(registry, other, "acked", status=MessageStatus.ACKED)
    insert(registry, module, "done", status=MessageStatus.SUCCEEDED)
    assert ids(run_json("message", "list")) == ["acked", "waiting"]
    assert ids(run_json("message", "list", "--limit", "1")) == ["acked"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--since", "2h"), ["new", "done"]),
        (("--since", "7d"), ["new", "done", "old"]),
        (("--status", "succeeded"), ["done"]),
        (("--status", "succeeded", "--since", "7d"), ["done", "old"]),
        (("--module", "load"), ["new", "done", "old"]),
        (("--module", "load", "--status", "queued"), ["new"]),
        (("--module", "load", "--since", "2h", "--limit", "1"), ["new"]),
        (("--module", "other"), []),
    ],
)
def test_messages_are_filtered(
    registry: Registry,
    module: Module,
    run_json: Json,
    options: tuple[str, ...],
    expected: list[str],
) -> None:
    registry.register("other")
    ago = {hours: registry.now - timedelta(hours=hours) for hours in (1, 100)}
    insert(registry, module, "new")
    insert(registry, module, "done", status=MessageStatus.SUCCEEDED, created_at=ago[1])
    insert(registry, module, "old", status=MessageStatus.SUCCEEDED, created_at=ago[100])
    assert ids(run_json("message", "list", *options)) == expected


def test_the_table_tells_why_a_message_did_not_succeed(
    registry: Registry, module: Module, run: Run
) -> None:
    message = insert(registry, module, "m1", status=MessageStatus.DEAD, content='{"a": 1}')
    result = end_of_message(message, ResultStatus.DEAD, registry.now, EndReason.NO_ACK)
    registry.store.results.insert([result])
    header, row = run("message", "list", "--module", "1").stdout.splitlines()
    assert header.split() == ["message", "module", "status", "age", "tries", "reason", "content"]
    assert row.split()[:3] == ["m1", "load", "dead"]
    assert row.endswith('no_ack  {"a": 1}')


def test_an_empty_list_says_so(run: Run) -> None:
    assert run("message", "list").stderr == "No message is open.\n"
    assert run("message", "list", "--since", "1h").stderr == "No message matches.\n"


def test_show_prints_the_whole_life(registry: Registry, module: Module, run: Run) -> None:
    insert(registry, module, "m1", content='{"a" : 1.0}', chosen_because="named")
    output = run("message", "show", "m1").stdout
    assert '{"a" : 1.0}' in output
    assert "named" in output
    assert module.module_hash in output
    assert output.splitlines()[-1].startswith("queued: ")
    told = orjson.loads(run("message", "show", "m1", "--json").stdout)["why"]
    assert told["sentence"] == output.splitlines()[-1]


def test_an_unknown_message_is_one_sentence(run: Run) -> None:
    for verb in ("show", "cancel", "retry"):
        result = run("message", verb, "m1")
        assert (result.exit_code, result.stderr) == (
            1,
            "Error: No message has the id 'm1'.\n",
        )


def test_cancel_says_what_happens(registry: Registry, module: Module, run: Run) -> None:
    insert(registry, module, "waiting")
    insert(registry, module, "acked", status=MessageStatus.ACKED)
    assert run("message", "cancel", "waiting").stderr == "Cancelled waiting.\n"
    assert run("message", "cancel", "acked").stderr == (
        "Asked the module to give acked up; it ends within 10 s.\n"
    )
    again = run("message", "cancel", "waiting")
    assert (again.exit_code, again.stderr) == (
        1,
        "Error: The message 'waiting' has ended already: it is cancelled.\n",
    )


def test_retry_prints_the_new_id(registry: Registry, module: Module, run: Run) -> None:
    insert(registry, module, "m1", status=MessageStatus.DEAD)
    result = run("message", "retry", "m1")
    assert (result.stdout, result.stderr) == ("m1~2\n", "Sent m1 again: queued.\n")


def test_every_verb_has_a_help_page(run: Run) -> None:
    for verb in ("list", "show", "cancel", "retry"):
        assert run("message", verb, "-h").exit_code == 0

"""platformctl send: to one module, to many, to the best of a kind; and waiting for the result."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import pytest

from cli import result_waiting
from shared.clock import utc_now
from shared.domain.delivery import Push
from shared.domain.ids import MessageId
from shared.domain.message import EndReason, Message
from shared.domain.result import ResultStatus
from tests.cli.conftest import Run
from tests.support.builders import NODE, make_result
from tests.support.eventually import eventually
from tests.support.registry import Registry


def messages_of(registry: Registry, name: str) -> list[Message]:
    (entry,) = [e for e in registry.store.modules.entries() if e.name == name]
    found = registry.store.messages.newest(entry.module_hash, utc_now())
    return list(registry.store.messages.read(message.id for message in found).values())


def test_a_message_is_sent_as_it_was_written(registry: Registry, run: Run) -> None:
    registry.register("load")
    result = run("send", "load", '{"type": "test", "x": 1.0}')
    assert result.exit_code == 0, result.output
    (message,) = messages_of(registry, "load")
    assert message.content == '{"type": "test", "x": 1.0}'
    assert result.stdout.splitlines()[1].split() == [message.id, "load", "queued"]
    assert message.sender.startswith("user:")


@pytest.mark.parametrize(
    ("given", "options", "content"),
    [
        ("hello", (), '"hello"'),
        ('"hello"', (), '"hello"'),
        ("5", (), "5"),
        (" [1]\n", (), "[1]"),
        ('{"a":1}', ("--text",), '"{\\"a\\":1}"'),
        ("NaN", (), '"NaN"'),
        ("负荷", (), '"负荷"'),
    ],
)
def test_what_is_not_json_is_text(
    registry: Registry, run: Run, given: str, options: tuple[str, ...], content: str
) -> None:
    registry.register("load")
    assert run("send", "load", given, *options).exit_code == 0
    assert [message.content for message in messages_of(registry, "load")] == [content]


def test_standard_input_is_read_for_a_dash(registry: Registry, run: Run) -> None:
    registry.register("load")
    assert run("send", "load", "-", answer='{"a":1}\n').exit_code == 0
    assert [message.content for message in messages_of(registry, "load")] == ['{"a":1}']


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("load", '{"a":1'), "With --text it is sent as text."),
        (("load", "{seconds:1}"), """put JSON in single quotes, as in platformctl send MODULE"""),
        (("load", "x" * 256 * 1024), "The content is larger than 256 KiB"),
        (("load", "[1e999]"), "The content has the number 1e999, which no 64-bit float can hold."),
        (("load", '{"a":1,"a":2}'), "The content has the key 'a' more than once."),
        (("load", "[" * 65 + "]" * 65), "The content is nested more than 64 levels deep."),
        (("load", "--text", '{"a":1,"a":2}'), "The content is a text of JSON that has the key 'a'"),
        (("load", "1", "--id", "a b"), "--id must be 1 to 128"),
        (("load", "1", "--until", "2020-01-01"), "--until lies in the past"),
        (("load", "1", "--until", "7w"), "--until must not be more than 30 days"),
        (("load", "1", "--timeout", "2w"), "--timeout is longer than 7 days"),
        (("unknown", "1"), "No module has the name"),
        (("--kind", "unknown", "1"), "the missionKind 'unknown'. There are: load."),
        (("--tag", "unknown", "1"), "No module has the tag 'unknown'."),
        (("--kind", "load", "--tag", "x", "1"), "the tag 'x' and the missionKind 'load'."),
    ],
)
def test_what_cannot_be_sent(
    registry: Registry, run: Run, arguments: tuple[str, ...], said: str
) -> None:
    registry.register("load", mission_kind="load")
    result = run("send", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr
    assert messages_of(registry, "load") == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("load",),
        ("load", "1", "2"),
        ("--kind", "load", "load", "1"),
        ("--one", "load", "1"),
        ("--kind", "load", "--fallback", "x", "1"),
        ("load", "1", "--until", "later"),
        ("load", "1", "--timeout", "0"),
        ("load", "1", "--wait=soon"),
    ],
)
def test_usage_errors(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("send", *arguments).exit_code == 2


def test_a_content_that_the_shell_split_is_told_how_to_be_quoted(run: Run) -> None:
    result = run("send", "load", "{seconds:", "1}")
    assert result.exit_code == 2
    assert "The shell split the content into words" in result.stderr


def test_the_options_reach_the_message(registry: Registry, run: Run) -> None:
    registry.register("load")
    before = utc_now()
    options = ("--id", "order-7", "--until", "30m", "--timeout", "5m", "--priority", "7")
    assert run("send", "load", "1", *options).exit_code == 0
    (message,) = messages_of(registry, "load")
    assert (message.id, message.timeout_seconds, message.priority) == ("order-7", 300, 7)
    assert (
        timedelta(0) <= message.useful_until - before - timedelta(minutes=30) < timedelta(minutes=1)
    )
    again = run("send", "load", "1", *options)
    assert "The message order-7 was sent before, and is queued." in again.stderr
    assert len(messages_of(registry, "load")) == 1


def test_a_kind_and_a_tag_are_for_many(registry: Registry, run: Run) -> None:
    registry.register("north", mission_kind="load", tags=("pilot",))
    registry.register("south", mission_kind="load")
    registry.register("price", mission_kind="price", tags=("pilot",))
    result = run("send", "--kind", "load", "1", "--id", "order-7", "--json")
    items = orjson.loads(result.stdout)
    assert [item["module_name"] for item in items] == ["north", "south"]
    assert [item["message_id"] for item in items] == [
        f"order-7:{item['module_hash'][:12]}" for item in items
    ]
    run("send", "--tag", "pilot", "2")
    run("send", "--tag", "pilot", "--kind", "load", "3")
    contents = {
        name: sorted(message.content for message in messages_of(registry, name))
        for name in ("north", "south", "price")
    }
    assert contents == {"north": ["1", "2", "3"], "south": ["1"], "price": ["2"]}


def test_what_one_of_many_refuses_is_told_and_the_others_get_it(
    registry: Registry, run: Run
) -> None:
    disabled = registry.register("north", mission_kind="load")
    registry.register("south", mission_kind="load")
    registry.store.modules.set_enabled(disabled.module_hash, registry.now, enabled=False)
    result = run("send", "--kind", "load", "1")
    assert result.exit_code == 1
    assert "Not sent: The module 'north' is disabled" in result.stderr
    assert len(messages_of(registry, "south")) == 1


def test_one_of_a_kind_is_chosen(registry: Registry, run: Run) -> None:
    registry.enrol()
    registry.register("away", mission_kind="load")
    registry.connect(registry.register("here", mission_kind="load"))
    result = run("send", "--kind", "load", "--one", "1")
    assert result.stdout.splitlines()[1].split()[1:] == ["here", "queued"]
    assert "here was chosen: the only one of its kind that is online." in result.stderr


def test_a_fallback_takes_over(registry: Registry, run: Run) -> None:
    registry.enrol()
    registry.register("away")
    registry.connect(registry.register("here"))
    result = run("send", "away", "1", "--fallback", "here")
    assert result.stdout.splitlines()[1].split()[1:] == ["here", "queued"]


def test_what_was_pushed_is_told_so_and_what_waits_at_an_online_module_is_not(
    registry: Registry, run: Run
) -> None:
    registry.enrol()
    registry.connect(registry.register("load"))
    waiting = run("send", "load", "1", "--id", "m1")
    assert waiting.stdout.splitlines()[1].split() == ["m1", "load", "queued"]
    assert "m1 waits: load is online, and busy or about to get it." in waiting.stderr
    (message,) = messages_of(registry, "load")
    registry.store.deliveries.mark_sent([Push(message=message)], NODE, "p1", utc_now())
    again = run("send", "load", "1", "--id", "m1")
    assert again.stdout.splitlines()[1].split() == ["m1", "load", "pushed"]


@pytest.mark.parametrize(
    ("result", "code", "said"),
    [
        ({"content": '{"values": [1.0]}'}, 0, ""),
        (
            {"status": ResultStatus.FAILURE, "content": '{"values": [1.0]}', "error": "no data"},
            1,
            "failure: no data\n",
        ),
    ],
)
def test_wait_prints_the_result_as_the_module_said_it(
    registry: Registry, run: Run, result: dict[str, Any], code: int, said: str
) -> None:
    module = registry.register("load")
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(run, "send", "load", "1", "--id", "m1", "--wait")
        eventually(lambda: registry.store.messages.get(MessageId("m1")))
        registry.store.results.insert(
            [make_result(message_id="m1", module_hash=module.module_hash, **result)]
        )
        ended = waiting.result()
    assert (ended.exit_code, ended.stdout, ended.stderr) == (code, '{"values": [1.0]}\n', said)


def test_wait_tells_in_a_sentence_why_there_is_no_result(registry: Registry, run: Run) -> None:
    module = registry.register("load")
    run("send", "load", "1", "--id", "m1")
    given_up = make_result(
        message_id="m1",
        module_hash=module.module_hash,
        status=ResultStatus.TIMED_OUT,
        reason=EndReason.NO_RESULT,
        at=utc_now(),
    )
    registry.store.results.insert([given_up])
    result = run("send", "load", "1", "--id", "m1", "--wait")
    assert result.exit_code == 1
    assert result.stderr.startswith("timed out: load was sent the work at ")


def test_wait_gives_up_after_its_time_and_the_message_goes_on(registry: Registry, run: Run) -> None:
    registry.register("load")
    result = run("send", "load", "1", "--id", "m1", "--wait=1s")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == ("The message m1 has no result yet: platformctl message show m1\n")


def test_a_long_wait_says_once_what_it_is_for(
    registry: Registry, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register("load")
    monkeypatch.setattr(result_waiting, "TELL_AFTER_SECONDS", 0.0)
    result = run("send", "load", "1", "--id", "m1", "--wait=1s")
    first, last = result.stderr.splitlines()
    assert first.startswith("queued: load was offline all the time (it has never connected)")
    assert last.startswith("The message m1 has no result yet")


def test_wait_for_many_is_a_table(registry: Registry, run: Run) -> None:
    modules = [registry.register(name, mission_kind="load") for name in ("north", "south")]
    run("send", "--kind", "load", "1", "--id", "m1")
    for module, status in zip(modules, (ResultStatus.SUCCESS, ResultStatus.TIMED_OUT), strict=True):
        message_id = f"m1:{module.module_hash[:12]}"
        registry.store.results.insert(
            [make_result(message_id=message_id, module_hash=module.module_hash, status=status)]
        )
    result = run("send", "--kind", "load", "1", "--id", "m1", "--wait=10")
    assert result.exit_code == 1
    rows = [line.split()[1:3] for line in result.stdout.splitlines()[1:]]
    assert rows == [["north", "success"], ["south", "timed_out"]]

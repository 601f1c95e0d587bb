"""The numbers of docs/protocol.md are those of the code: of the platform, and of the SDK."""

import re
from pathlib import Path

import pytest
from forecast_module.backoff import FIRST_SECONDS
from forecast_module.timing import Timing

from shared.domain.disabling import RETRY_SECONDS
from shared.domain.draft import find_id_problem
from shared.domain.event import SAID_MAX
from shared.domain.execution_progress import LONGEST_RETRY_AFTER_SECONDS
from shared.domain.json_document import MAX_DEPTH
from shared.domain.message import (
    ACK_SECONDS,
    ATTEMPTS_ALLOWED,
    ATTEMPTS_IN_ALL,
    CANCEL_SECONDS,
    CONTENT_MAX_BYTES,
    DEFAULT_LIFE,
    DEFAULT_TIMEOUT_SECONDS,
    QUEUE_MAX,
)
from shared.domain.session import TAKEOVERS_ALLOWED
from shared.domain.step_message import LARGEST_CONTENT_BYTES
from shared.settings import PROJECT_DIR, Settings
from wsd import protocol
from wsd.connection import (
    CLOSE_TIMEOUT_SECONDS,
    HANDSHAKE_MAX_BYTES,
    OPEN_TIMEOUT_SECONDS,
    OUTBOX_MAX_BYTES,
)
from wsd.session import INVALID_FRAMES_ALLOWED, INVALID_FRAMES_WINDOW_SECONDS
from wsd.work import HELLO_SECONDS, SAID_KEPT

PAGE = (PROJECT_DIR / "docs" / "protocol.md").read_text(encoding="utf-8")
SDK = Timing()
MIB, KIB = 2**20, 2**10
RESULT_LEVELS = 254
ID_LENGTH = 128


def table_of_numbers() -> dict[str, str]:
    """Return the last table's second column by its first."""
    chapter = PAGE[PAGE.index("\n## Numbers\n") : PAGE.index("\n## Checklist")]
    rows = [line.strip("|").split("|") for line in chapter.splitlines() if line.startswith("| ")]
    return {what.strip(): number.strip() for what, number, _ in rows[1:]}


def numbers_of_the_code(platform: Settings) -> dict[str, str]:
    """Return what the table has to say, in its order."""
    ping = platform.protocol_ping_seconds
    pauses = f"{SDK.replaced_pause:g} s; {SDK.disabled_pause:g} s"
    kept = (protocol.NOTE_MAX, protocol.ERROR_MAX, *kept_of_a_bye())
    return {
        "between two heartbeats": f"{platform.websocket_ping_interval_seconds:g} s",
        "silence, until 4008": f"{platform.websocket_timeout_seconds:g} s",
        "without `heartbeat confirm`, until the client drops the connection": f"{SDK.confirm:g} s",
        "without `receive result`, until the client drops the connection": f"{SDK.stored:g} s",
        "silence, until a WebSocket ping; without an answer, until the cut": f"{ping:g} s; {ping:g} s",
        "for a handshake: the platform's patience with the request; the client's with the answer": (
            f"{OPEN_TIMEOUT_SECONDS:g} s; {SDK.open:g} s"
        ),
        "the first work waits for `hello`": f"{HELLO_SECONDS:g} s",
        "without an acknowledgement, until the next push": f"{ACK_SECONDS:g} s",
        "pushes of a message: in one connection; in all": f"{ATTEMPTS_ALLOWED}; {ATTEMPTS_IN_ALL}",
        "after `cancel`, until the platform ends the work": f"{CANCEL_SECONDS:g} s",
        "from the push to the result: a message; a step of a workflow": (
            f"{DEFAULT_TIMEOUT_SECONDS / 3600:g} h; {platform.execution_timeout_seconds:g} s"
        ),
        "a message waits for its module": f"{DEFAULT_LIFE.total_seconds() / 3600:g} h",
        "messages that wait for one module": f"{QUEUE_MAX}",
        "a message is remembered after its end": f"{platform.message_retention_days} days",
        "back-off: base; longest": f"{FIRST_SECONDS:g} s; {SDK.longest_pause:g} s",
        "longer pauses: after 4509; after 403, 4503, 4523": pauses,
        "takeovers until 429": (
            f"{TAKEOVERS_ALLOWED + 1} within {platform.takeover_window_seconds:g} s"
        ),
        "bad frames, until 1008": (
            f"{INVALID_FRAMES_ALLOWED} within {INVALID_FRAMES_WINDOW_SECONDS} s"
        ),
        "a frame of a module": f"{platform.websocket_max_message_bytes // MIB} MiB",
        "a frame of the platform; with the results of other steps": (
            f"{CONTENT_MAX_BYTES // KIB} KiB; {LARGEST_CONTENT_BYTES // MIB} MiB"
        ),
        "what a module has not read yet, beside its work, until 1013": (
            f"{OUTBOX_MAX_BYTES // MIB} MiB"
        ),
        "levels of a message; of a result": f"{MAX_DEPTH}; {RESULT_LEVELS}",
        "characters of an `id`": f"{ID_LENGTH}",
        "characters kept: `note`; `error`; `reason`; `back_by`": "; ".join(map(str, kept)),
        "`in_flight`": f"1 to {QUEUE_MAX}",
    }


def kept_of_a_bye() -> tuple[int, int]:
    long = "x" * 1000
    bye = protocol.parse(f'{{"type":"bye","reason":"{long}","back_by":"{long}"}}'.encode())
    assert isinstance(bye, protocol.Bye)
    return len(bye.reason), len(bye.back_by)


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a platform that was told nothing."""
    monkeypatch.setenv("DEBUG", "True")
    return Settings.from_env(env_file=tmp_path / "no.env")


def test_the_table_of_numbers_is_the_codes(defaults: Settings) -> None:
    assert table_of_numbers() == numbers_of_the_code(defaults)


def test_the_settings_of_the_table_exist(defaults: Settings) -> None:
    names = re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE)
    assert [name for name in names if not hasattr(defaults, name.lower())] == []


@pytest.mark.parametrize(("depth", "is_taken"), [(RESULT_LEVELS, True), (RESULT_LEVELS + 1, False)])
def test_a_result_may_be_as_deep_as_the_page_says(depth: int, is_taken: bool) -> None:
    said = '{"type":"result","id":"x","result":%s%s}' % ("[" * depth, "]" * depth)  # noqa: UP031
    assert isinstance(protocol.parse(said.encode()), protocol.ResultFrame) == is_taken


@pytest.mark.parametrize("result", ["1e400", '"\\ud800"'])
def test_what_the_page_calls_unkeepable_is_refused(result: str) -> None:
    assert f"`{result}`" in PAGE
    said = protocol.parse(f'{{"type":"result","id":"x","result":{result}}}'.encode())
    assert isinstance(said, protocol.Invalid)


def test_of_a_key_that_stands_twice_the_last_one_counts() -> None:
    said = protocol.parse(b'{"type":"result","id":"x","result":{"a":1,"a":2}}')
    assert isinstance(said, protocol.ResultFrame)
    assert said.content == '{"a":2}'


def test_an_id_is_as_long_as_the_page_says() -> None:
    assert find_id_problem("x" * ID_LENGTH) is None
    assert find_id_problem("x" * (ID_LENGTH + 1)) is not None


@pytest.mark.parametrize(
    "sentence",
    [
        f"Without an acknowledgement within {ACK_SECONDS:g} s it pushes again",
        f"The first work waits {HELLO_SECONDS:g} s for the hello",
        f"A connection on which none has come for {SDK.confirm:g} s (two heartbeats) is dead",
        f"when none has come for {SDK.stored:g} s, connect again",
        f"After {CANCEL_SECONDS:g} s the platform ends it by itself",
        f"2,000 characters, {SAID_KEPT} times a connection",
        f"no WebSocket handshake; larger than {HANDSHAKE_MAX_BYTES // KIB} KiB",
        f"(`Retry-After: {RETRY_SECONDS}`)",
        f"any other, or no answer within {SDK.open:g} s",
        f"after {CLOSE_TIMEOUT_SECONDS:g} s the platform cuts the connection",
        f"min({SDK.longest_pause:g} s, {FIRST_SECONDS:g} s · 2ⁿ)",
        f"reconnect after {SDK.replaced_pause:g} s and jitter",
        f"{INVALID_FRAMES_ALLOWED} within a minute that were no JSON objects",
    ],
)
def test_a_sentence_has_the_codes_number(sentence: str) -> None:
    assert sentence in PAGE


def test_what_a_module_tells_is_cut_where_the_page_says() -> None:
    assert f"{SAID_MAX:,} characters" in PAGE
    assert LONGEST_RETRY_AFTER_SECONDS == 3600
    assert "after so many seconds, an hour at most" in PAGE


def test_the_example_in_node_keeps_to_the_same_times() -> None:
    text = (PROJECT_DIR / "examples" / "client.mjs").read_text(encoding="utf-8")
    said = {
        name: int(number.replace("_", ""))
        for name, number in re.findall(r"(\w+_MS) = (\d[\d_]+)", text)
    }
    assert said == {
        "HEARTBEAT_MS": SDK.heartbeat * 1000,
        "CONFIRM_MS": SDK.confirm * 1000,
        "LONGEST_PAUSE_MS": SDK.longest_pause * 1000,
    }
    assert f"{SDK.disabled_pause * 1000:_.0f}" in text
    assert f"{SDK.replaced_pause * 1000:_.0f}" in text


def test_the_example_in_python_keeps_to_the_same_times() -> None:
    text = (PROJECT_DIR / "examples" / "client_connect.py").read_text(encoding="utf-8")
    heartbeats = SDK.confirm / SDK.heartbeat
    assert f"HEARTBEAT_SECONDS = {SDK.heartbeat:g}\n" in text
    assert f"HEARTBEATS_TO_CONFIRM = {heartbeats:g} " in text
    assert f"LONGEST_PAUSE_SECONDS = {SDK.longest_pause:g}\n" in text
    assert f"4509: {SDK.replaced_pause:g}, 403: {SDK.disabled_pause:g}," in text

"""Work that a program cannot read, or hardly, is answered as any other, and holds up none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scripted_platform import ScriptedPlatform, eventually

from forecast_module import Module

Start = Callable[..., Module]


@pytest.mark.parametrize("levels", [64, 500])
def test_a_message_that_is_nested_deep_is_done(
    start: Start, platform: ScriptedPlatform, levels: int
) -> None:
    start()
    platform.send('{"id":"m1","attempt":1,"message":%s}' % ("[" * levels + "]" * levels))
    platform.push("m2")
    eventually(lambda: len(platform.results) == 2)
    assert [result["status"] for result in platform.results] == ["success"] * 2
    assert platform.handshakes == 1


@pytest.mark.parametrize(
    "message",
    [
        "[" * 970 + "]" * 970,
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        '"' + "[" * 50_000 + '"',
        "9" * 5000,
        "[1,",
    ],
    ids=["deep", "very deep", "objects", "text", "number", "not JSON"],
)
def test_a_message_that_cannot_be_taken_is_a_failure_and_holds_up_no_other(
    start: Start, platform: ScriptedPlatform, message: str
) -> None:
    start()
    platform.send(r'{"id":"m\"1","attempt":1,"message":' + message + "}")
    platform.push("m2")
    eventually(lambda: len(platform.results) == 2)
    first, second = sorted(platform.results, key=lambda result: result["id"])
    assert first["id"] == 'm"1'
    if first["status"] == "failure":  # newer versions of Python read some of these
        assert first["error"].startswith("The message cannot be ")
    assert second["status"] == "success"
    assert platform.handshakes == 1


@pytest.mark.parametrize(
    "frame",
    [
        '{"status":"error","message":%s}' % ("[" * 500 + "]" * 500),
        '{"type":"cancel","id":%s}' % ("[" * 500 + "]" * 500),
        '{"id":{"a":1},"attempt":1,"message":1}',
        '{"id":"m1","attempt":[1],"message":{"type":{},"meta":[],"args":7}}',
        "[" * 100_000,
        '"\\ud800"',
    ],
)
def test_no_frame_of_the_platform_ends_the_connection(
    start: Start, platform: ScriptedPlatform, frame: str
) -> None:
    start()
    platform.send(frame)
    platform.push("m2")
    eventually(lambda: any(result["id"] == "m2" for result in platform.results))
    assert platform.handshakes == 1

"""A scripted platform, and modules that a test starts and that are gone after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fast_timing import FAST
from scripted_platform import ScriptedPlatform, eventually

from forecast_module import Module

# Where the caller's own platform and results lie is nothing to the tests.
for name in ("FORECAST_PLATFORM", "FORECAST_STATE_DIR"):
    os.environ.pop(name, None)


@pytest.fixture
def platform() -> Iterator[ScriptedPlatform]:
    """A platform of this test's own."""
    scripted = ScriptedPlatform()
    yield scripted
    scripted.close()


@pytest.fixture
def make_module(platform: ScriptedPlatform, tmp_path: Path) -> Iterator[Callable[..., Module]]:
    """Makes modules that keep their results in the test's directory."""
    made: list[Module] = []

    def make(handler: Any = None, **options: Any) -> Module:
        url = options.pop("url", platform.url)
        words = {"name": "load-72h", "state_dir": str(tmp_path / "state"), "timing": FAST}
        module = Module(url, **{**words, **options})
        module.on_execute(handler or (lambda job: {"echo": job.args}))
        made.append(module)
        return module

    yield make
    for module in made:
        module.stop()


@pytest.fixture
def start(make_module: Callable[..., Module], platform: ScriptedPlatform) -> Callable[..., Module]:
    """Starts a module and waits until it is connected."""

    def start_one(handler: Any = None, **options: Any) -> Module:
        module = make_module(handler, **options)
        module.start()
        eventually(lambda: platform.is_connected and module.is_connected)
        return module

    return start_one

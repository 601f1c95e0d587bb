"""Commands run inside the test, on its own database; a registry of this very moment."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from cli.context import Platform
from cli.main import cli
from shared.clock import utc_now
from shared.settings import Settings
from shared.store import Store
from tests.support.registry import Registry

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, store: Store) -> Run:
    """Run a command as an operator would; `answer` is what they type."""

    def invoke(*arguments: str, answer: str | bytes | None = None) -> Result:
        platform = Platform(settings, store)
        return CliRunner().invoke(cli, arguments, obj=platform, input=answer)

    return invoke


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    """Run a command with --json and return what it printed."""

    def invoke(*arguments: str) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return orjson.loads(result.stdout)

    return invoke


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Have the machine stand in a time zone."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store=store, now=utc_now())

"""platformctl results."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.module import Module
from shared.domain.result import ResultStatus
from tests.cli.conftest import Run
from tests.support.builders import make_result
from tests.support.registry import Registry

Json = Callable[..., Any]


@pytest.fixture
def module(registry: Registry) -> Module:
    return registry.register("load")


def insert(registry: Registry, module: Module, message_id: str, hours: int, **fields: Any) -> None:
    at = registry.now - timedelta(hours=hours)
    values = {"sent_at": at - timedelta(seconds=40), **fields}
    result = make_result(message_id=message_id, module_hash=module.module_hash, at=at, **values)
    registry.store.results.insert([result])


def test_results_are_listed_newest_first(registry: Registry, module: Module, run: Run) -> None:
    insert(registry, module, "old", 5, content='{"a": 1}')
    failure = {"status": ResultStatus.FAILURE, "content": None, "error": "no data"}
    insert(registry, module, "new", 1, **failure)
    header, new, old = run("results", "load").stdout.splitlines()
    assert header.split() == ["at", "message", "status", "took", "reason", "content"]
    assert new.split()[2:] == ["new", "failure", "40", "s", "no", "data", "-"]
    assert old.split()[2:] == ["old", "success", "40", "s", "-", '{"a":', "1}"]


def test_short_work_is_told_in_milliseconds(registry: Registry, module: Module, run: Run) -> None:
    at = registry.now - timedelta(hours=1)
    insert(registry, module, "short", 1, sent_at=at - timedelta(milliseconds=40))
    assert "  40 ms  " in run("results", "load").stdout


def test_results_are_limited(registry: Registry, module: Module, run_json: Json) -> None:
    for number in range(3):
        insert(registry, module, f"m{number}", hours=number + 1)
    ids = [item["message_id"] for item in run_json("results", "load", "--limit", "2")]
    assert ids == ["m0", "m1"]
    ids = [item["message_id"] for item in run_json("results", "load", "--since", "90m")]
    assert ids == ["m0"]


def test_the_latest_success_is_printed_as_the_module_said_it(
    registry: Registry, module: Module, run: Run, run_json: Json
) -> None:
    insert(registry, module, "old", 5, content='{"a": 1.0}')
    insert(registry, module, "failed", 1, status=ResultStatus.FAILURE)
    assert run("results", "load", "--latest").stdout == '{"a": 1.0}\n'
    (item,) = run_json("results", "load", "--latest")
    assert (item["message_id"], item["content"]) == ("old", {"a": 1.0})


def test_nothing_to_show_is_said(module: Module, run: Run) -> None:
    assert run("results", "load").stderr == "load has no result that matches.\n"
    assert run("results", "load", "--latest").stderr == "load has no success that matches.\n"

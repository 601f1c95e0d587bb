"""Benches measure in the environment that users have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.environment import describe_python, find_slowing, measured_environment
from bench.stack import own_settings
from shared.settings import PROJECT_DIR


def start_bench(**variables: str) -> "subprocess.CompletedProcess[str]":
    """Start a bench that refuses or, asked for its help, ends at once."""
    code = "from bench.environment import begin; begin('nothing'); import os; print(*os.environ)"
    command = [sys.executable, "-c", code]
    environ = measured_environment(os.environ) | variables
    return subprocess.run(
        command, cwd=PROJECT_DIR, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "name", ["PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONTRACEMALLOC", "COVERAGE_PROCESS_START"]
)
def test_a_bench_refuses_a_switch_that_slows_it_down(name: str) -> None:
    refused = start_bench(**{name: "1"})
    assert refused.returncode == 1
    assert f"{name}: unset it" in refused.stderr


def test_a_bench_keeps_nothing_that_the_caller_set() -> None:
    kept = start_bench(SERVER_PORT="10080", MONGODB_HOST="elsewhere", SECRET_KEY_FILE="/x").stdout
    assert "PATH" in kept.split()
    assert {"SERVER_PORT", "MONGODB_HOST", "SECRET_KEY_FILE"}.isdisjoint(kept.split())


def test_what_is_measured_gets_neither_switches_nor_settings() -> None:
    given = {"PATH": "/bin", "PYTHONASYNCIODEBUG": "1", "COV_CORE_SOURCE": "x", "API_PORT": "1"}
    assert measured_environment(given) == {"PATH": "/bin", "PYTHONUNBUFFERED": "1"}


def test_switches_are_found_by_their_names() -> None:
    given = ["PYTHONUNBUFFERED", "PYTHONASYNCIODEBUG", "PATH", "LD_PRELOAD", "MALLOC_ARENA_MAX"]
    assert find_slowing(given) == ["LD_PRELOAD", "MALLOC_ARENA_MAX", "PYTHONASYNCIODEBUG"]


def test_the_build_of_python_is_told() -> None:
    assert "optimised build (PGO, LTO)" in describe_python("'--enable-optimizations' '--with-lto'")
    assert "**not an optimised build** (no PGO, no LTO)" in describe_python("'--enable-shared'")


def test_no_bench_listens_on_the_callers_ports_or_reads_its_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SERVER_PORT", "API_PORT", "WSD_PORT", "MONGODB_PORT"):
        monkeypatch.setenv(name, "10080")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    settings = own_settings(tmp_path)
    ports = {settings.server_port, settings.api_port, settings.wsd_port, settings.mongodb_port}
    assert len(ports - {10080}) == 4
    # Children read `.env` below what stands in the environment: everything stands there.
    unsaid = [name for name in settings.as_environment() if name not in os.environ]
    assert unsaid == []
    assert os.environ["SECRET_KEY_FILE"] == ""

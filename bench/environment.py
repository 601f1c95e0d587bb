"""What must not falsify a figure, and what a figure depends on: variables, Python, machine, load."""

import argparse
import os
import platform
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.progress import progress
from shared.settings import PROJECT_DIR

# supervisord hands its programs what it was started with. What a user of the platform has not set
# must not be measured: it may be a debug switch, another platform's port, or a setting.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
SLOWING = ("PYTHON", "COV", "LD_PRELOAD", "MALLOC")
HARMLESS = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONUTF8")
LIBRARIES = ("websockets", "uvloop", "pymongo", "flask", "gunicorn", "SecantusDB")
RESULTS = "bench/RESULTS.md"
FULL_HELP = "keep a sustained load up for a minute, not for a few seconds"

QUIET_PERCENT = 10.0
QUIET_LOOK_SECONDS = 4.0
QUIET_PATIENCE_SECONDS = 120.0


def find_slowing(environ: Iterable[str]) -> list[str]:
    """Return the variables that slow Python or its memory down, or trace it."""
    return sorted(n for n in environ if n.startswith(SLOWING) and n not in HARMLESS)


def measured_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment the measured processes get, and what supervisord.conf adds."""
    kept = {name: environ[name] for name in PASSED_ON if name in environ}
    return kept | {"PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a bench's command line asks for."""

    as_json: bool
    at_full_length: bool


def begin(about: str) -> Wanted:
    """Read a bench's command line; return what is wanted.

    Ends the process if this interpreter is not the one that users run: a switch that was read at
    its start cannot be taken back.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--full", action="store_true", help=FULL_HELP)
    given = parser.parse_args()
    slowing = find_slowing(os.environ)
    if slowing:
        sys.exit(f"{', '.join(slowing)}: unset it, or measure with ./manage.sh bench")
    if sys.flags.dev_mode or sys.gettrace() is not None or sysconfig.get_config_var("Py_DEBUG"):
        sys.exit("This Python runs in development mode, is traced, or is a debug build")
    kept = measured_environment(os.environ)
    os.environ.clear()
    os.environ.update(kept)
    return Wanted(as_json=given.json, at_full_length=given.full)


def wait_until_quiet() -> float:
    """Wait until the machine has nothing else to do, but not for ever; return its busy percentage."""
    deadline = time.monotonic() + QUIET_PATIENCE_SECONDS
    while True:
        busy = psutil.cpu_percent(QUIET_LOOK_SECONDS)
        if busy <= QUIET_PERCENT or time.monotonic() > deadline:
            return float(busy)
        progress(f"the machine is {busy:.0f} % busy: waiting until it is quiet")


def busy_core_seconds() -> float:
    """Return the processor time that all processes of the machine have used since it started."""
    times = psutil.cpu_times()
    busy = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
    return float(busy)


def describe_commit() -> str:
    """Return which code is measured; the results of an earlier run do not make a tree unclean."""
    commit = _git("rev-parse", "--short", "HEAD")
    if commit is None:
        return "code of unknown commit"
    changed = _git("status", "--porcelain", "--", ".", f":!{RESULTS}")
    return f"commit `{commit}`, " + (
        "**with changes that are not committed**" if changed else "clean"
    )


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout.strip()


def describe_python(configured: str) -> str:
    """Return which Python runs, and whether it was built for speed."""
    is_optimised = "--enable-optimizations" in configured
    build = "optimised build (PGO" if is_optimised else "**not an optimised build** (no PGO"
    lto = "LTO" if "--with-lto" in configured else "no LTO"
    return f"Python {platform.python_version()}, {build}, {lto})"


def describe_machine() -> str:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}"


def describe_libraries() -> str:
    """Return the versions that matter."""
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def describe_all() -> list[str]:
    """Return one line for each of the things that the figures depend on."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    configured = str(sysconfig.get_config_var("CONFIG_ARGS"))
    return [
        f"Measured on {time.strftime('%Y-%m-%d')} at {describe_commit()}",
        f"{describe_machine()}; the load clients run on the same machine",
        f"{describe_python(configured)}; {describe_libraries()}",
        f"Load average before the run (1, 5, 15 min): {load}",
    ]

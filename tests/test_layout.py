"""What may import what, and how long a file may be: the tree stays as CONTRIBUTING.md says."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import PROJECT_DIR

LONGEST_FILE = 400
OURS = ("shared", "api", "wsd", "worker", "cli", "deploy")
# The first rule that a file's path starts with decides what of ours it may import.
MAY_IMPORT = {
    "shared/domain": {"shared.domain", "shared.errors", "shared.clock"},
    "shared/store": {"shared.store", "shared.domain", "shared.errors", "shared.settings"},
    "shared/services": {"shared"},
    "shared/transports": {"shared.transports", "shared.domain", "shared.errors"},
    "shared/settings.py": {"shared.errors", "shared.environment"},
    "shared/environment.py": {"shared.errors"},
    "shared/errors.py": set(),
    "shared/clock.py": set(),
    "shared/log_queue.py": set(),
    "shared": {"shared.settings", "shared.errors", "shared.clock", "shared.log_queue"},
    "api": {"api", "shared"},
    "wsd": {"wsd", "shared"},
    "worker": {"worker", "shared"},
    "cli": {"cli", "deploy", "shared"},
    "deploy": {"deploy", "shared"},
    # A package of its own, installed where there is no platform.
    "client": set(),
}
# A library, and the only places that know it.
ONLY_IN = {
    "pymongo": ("shared/store",),
    "bson": ("shared/store",),
    "gridfs": (),
    "flask_pymongo": ("api",),
    "flask": ("api",),
    "flask_smorest": ("api",),
    "gunicorn": ("api", "gunicorn.conf.py"),
    "websockets": ("wsd", "client"),
    "uvloop": ("wsd",),
    "click": ("cli",),
    "rich": ("cli",),
    "rich_click": ("cli",),
    "supervisor": ("deploy",),
    "cronsim": ("shared/domain/cron.py",),
    "yaml": ("cli",),
    "environs": ("shared/settings.py", "shared/environment.py"),
    "secantus": (),
}
PURE = ("wsd/protocol.py", "wsd/session.py", "shared/domain")
IMPURE_LIBRARIES = {"asyncio", "websockets", "socket", "time", "threading", "random", "os"}
# What `pip install ./client` brings along.
CLIENT_LIBRARIES = {"forecast_module", "requests", "websockets"} | sys.stdlib_module_names


def source_files() -> list[str]:
    roots = [
        path
        for name in (*OURS, "client/forecast_module")
        for path in (PROJECT_DIR / name).rglob("*.py")
    ]
    return sorted(str(path.relative_to(PROJECT_DIR)) for path in roots)


def imports_of(file: str) -> Iterator[str]:
    """Return every module that a file imports, inside its functions, too."""
    tree = ast.parse((PROJECT_DIR / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lies_in(file: str, places: tuple[str, ...]) -> bool:
    return any(file == place or file.startswith(f"{place}/") for place in places)


def is_within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("file", source_files())
def test_imports_point_inwards(file: str) -> None:
    allowed = next(packages for place, packages in MAY_IMPORT.items() if lies_in(file, (place,)))
    ours = [module for module in imports_of(file) if is_within(module, set(OURS))]
    assert [module for module in ours if not is_within(module, allowed)] == []


@pytest.mark.parametrize("file", [file for file in source_files() if lies_in(file, ("api/http",))])
def test_what_every_resource_uses_knows_no_resource(file: str) -> None:
    ours = [module for module in imports_of(file) if is_within(module, {"api"})]
    assert [module for module in ours if not is_within(module, {"api.http"})] == []


@pytest.mark.parametrize("file", source_files())
def test_a_library_is_known_where_it_belongs_and_nowhere_else(file: str) -> None:
    for module in imports_of(file):
        places = ONLY_IN.get(module.partition(".")[0])
        assert places is None or lies_in(file, places), f"{file} imports {module}"


@pytest.mark.parametrize("file", [file for file in source_files() if lies_in(file, PURE)])
def test_pure_rules_know_no_sockets_clocks_or_threads(file: str) -> None:
    assert [m for m in imports_of(file) if m.partition(".")[0] in IMPURE_LIBRARIES] == []


@pytest.mark.parametrize("file", [file for file in source_files() if lies_in(file, ("client",))])
def test_the_client_needs_nothing_but_its_two_dependencies(file: str) -> None:
    libraries = {module.partition(".")[0] for module in imports_of(file)}
    assert libraries - CLIENT_LIBRARIES == set()


@pytest.mark.parametrize("place", [*OURS, "client", "tests", "bench", "examples"])
def test_no_file_is_too_long(place: str) -> None:
    lengths = {
        str(path.relative_to(PROJECT_DIR)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (PROJECT_DIR / place).rglob("*.py")
    }
    assert {file: lines for file, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_shared_is_closed() -> None:
    """A new entry is a decision page (docs/decisions/)."""
    entries = {path.name for path in (PROJECT_DIR / "shared").iterdir()} - {"__pycache__"}
    assert entries <= {
        "__init__.py",
        "domain",
        "store",
        "services",
        "transports",
        "settings.py",
        "environment.py",
        "errors.py",
        "clock.py",
        "logs.py",
        "log_queue.py",
        "version.py",
    }


def test_nothing_is_named_for_not_knowing_where_it_belongs() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [file for file in source_files() if Path(file).stem in vague] == []


def test_no_package_file_lies_among_the_tests() -> None:
    """tests/api/__init__.py would be imported as `api` and hide ours."""
    assert list((PROJECT_DIR / "tests").rglob("__init__.py")) == []

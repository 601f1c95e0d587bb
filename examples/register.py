"""Register an example module, and keep its hash in module_hash.txt, its name in module_name.txt.

Needs nothing but Python: python examples/register.py [name] [http://host:port]
Without an address: FORECAST_PLATFORM, else SERVER_PORT of .env, else http://localhost:10080.
"""

from __future__ import annotations

import json
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from command_line import read_command_line

HASH_FILE, NAME_FILE = Path("module_hash.txt"), Path("module_name.txt")
EXAMPLE = "example-load"
FINAL_STATUSES = (400, 413, 414, 415, 431)  # the same words will be refused again
REQUIREMENT = [
    {
        "table_kind": "load",
        "table_name": "hourly_load",
        "table_columns": ["time", "megawatt"],
        "time_begin": -24,
        "time_end": 0,
        "time_unit": "h",
    }
]


class NotRegistered(Exception):
    """The platform did not register the module; it may after `retry_after` seconds."""

    def __init__(self, problem: str, retry_after: float = 0.0) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class Refused(NotRegistered):
    """The platform does not take these words, however often they are said."""


def register(name: str, platform: str) -> str:
    """Return the module's hash; registering again gives the same one. Raises NotRegistered."""
    query = urlencode(
        {
            "name": name,
            "description": "An example: tomorrow's load",
            "missionKind": "load",
            "dataRequirement": json.dumps(REQUIREMENT),
        }
    )
    http = build_opener(ProxyHandler({}))  # no proxy of the environment: it may not lead there
    try:
        with http.open(f"{platform}/module/register?{query}", timeout=5) as answer:
            return str(json.load(answer)["result"]["hash"])
    except HTTPError as error:
        raise refusal(error, name, platform) from None
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error) or type(error).__name__
        hint = "is the platform up, and is this its port?"
        raise NotRegistered(f"{platform} does not answer ({cause}): {hint}") from None
    except (ValueError, KeyError, TypeError):
        raise NotRegistered(f"{platform} is not the platform: is this its port?") from None


def refusal(error: HTTPError, name: str, platform: str) -> NotRegistered:
    """Return what the platform says of a registration that it does not take."""
    try:
        problem = f"{platform} does not register {name}: {json.load(error)['message']}"
    except (ValueError, KeyError, TypeError):
        return NotRegistered(f"{platform} is not the platform ({error}): is this its port?")
    if error.code in FINAL_STATUSES:
        return Refused(problem)
    return NotRegistered(problem, read_seconds(error.headers.get("Retry-After")))


def read_seconds(header: str | None) -> float:
    """Return the seconds of a Retry-After header, 0 without one."""
    return float(header) if header and header.isdecimal() else 0.0


def read_kept() -> tuple[str, str]:
    """Return the hash and the name that were kept last in this folder, both empty if none were."""
    files = (HASH_FILE, NAME_FILE)
    module_hash, name = (f.read_text("utf-8").strip() if f.is_file() else "" for f in files)
    return module_hash, name


def main() -> None:
    """Register the module that the command line names."""
    name, platform = read_command_line()
    name = name or EXAMPLE
    try:
        module_hash = register(name, platform)
    except NotRegistered as problem:
        sys.exit(str(problem))
    HASH_FILE.write_text(module_hash)
    NAME_FILE.write_text(name, encoding="utf-8")
    print(f"{name} is registered: {module_hash} (kept in {HASH_FILE})")


if __name__ == "__main__":
    main()

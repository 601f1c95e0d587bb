"""What the examples are told: a module's name, and the platform's address."""

import os
import re
import sys
from pathlib import Path

# Of the folder that the program runs in, else of the checkout that it lies in.
ENV_FILES = (Path(".env"), Path(__file__).resolve().parents[1] / ".env")
SETTING = re.compile(r"(?:export )?(\w+)\s*=\s*(['\"]?)(.+?)\2(?:\s+#.*)?\s*$")


def read_command_line() -> tuple[str, str]:
    """Return the name, empty if none is given, and the address: `[name] [address]` in any order."""
    given = sys.argv[1:]
    addresses = [word for word in given if re.search(r"://|^[\w.-]+:\d+$", word)]
    names = [word for word in given if word not in addresses]
    if len(addresses) > 1 or len(names) > 1 or any(name.startswith("-") for name in names):
        _refuse(f"usage: python {sys.argv[0]} [name] [http://host:port]")
    return (names or [""])[0], _complete((addresses or [_find_address()])[0])


def _find_address() -> str:
    """Return FORECAST_PLATFORM, else what a `.env` says of it or of the platform's port."""
    if address := os.environ.get("FORECAST_PLATFORM"):
        return address
    lines = [line for file in ENV_FILES for line in _read(file).splitlines()]
    for found in filter(None, map(SETTING.match, lines)):
        if found[1] == "FORECAST_PLATFORM":
            return found[3]
        if found[1] == "SERVER_PORT":
            return f"http://localhost:{found[3]}"
    return "http://localhost:10080"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""  # there is none, or it is another user's


def _complete(address: str) -> str:
    address = (address if "://" in address else f"http://{address}").rstrip("/")
    if not re.match(r"https?://[^/?#]+[^?#]*$", address):
        _refuse(f"The platform's address is like http://localhost:10080, not {address!r}.")
    return address


def _refuse(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(2)

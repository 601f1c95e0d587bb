"""Writing `.env`: what the first `up` makes of .env.example, and what is changed in it later."""

import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

KEY_BYTES = 48
PLAIN = re.compile(r"[\w.,:/@%+*=-]*", re.ASCII)


def make(path: Path, example: str, values: Mapping[str, str]) -> bool:
    """Write `.env` for the first time; False when another process has made one meanwhile."""
    new = _write_beside(path, put(example, values))
    try:
        os.link(new, path)  # fails where a rename would overwrite
    except FileExistsError:
        return False
    finally:
        new.unlink()
    return True


def change(path: Path, values: Mapping[str, str]) -> None:
    """Put these values into a `.env` that is there; everything else in it stays as it is."""
    path = path.resolve()
    new = _write_beside(path, put(path.read_text(encoding="utf-8"), values))
    new.chmod(path.stat().st_mode & 0o777)
    new.replace(path)


def missing(path: Path, values: Mapping[str, str]) -> list[str]:
    """Return the names for which the file does not say the same."""
    said = dotenv_values(path)
    return [name for name, value in values.items() if said.get(name) != value]


def put(text: str, values: Mapping[str, str]) -> str:
    """Return the file with these values: in the line that has the name already, or in a new one."""
    for name, value in values.items():
        line = f"{name}={quote(value)}"
        for form in (rf"(?:export +)?{name}[ \t]*=.*", rf"# {name}=.*"):
            pattern = re.compile(f"^{form}$", re.MULTILINE)
            if pattern.search(text):
                text = pattern.sub(line.replace("\\", r"\\"), text)
                break
        else:
            text = f"{text.rstrip()}\n{line}\n".lstrip()
    return text


def quote(value: str) -> str:
    """Return a value as it must stand in the file."""
    if PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def random_key() -> str:
    """Return a SECRET_KEY."""
    return secrets.token_urlsafe(KEY_BYTES)


def _write_beside(path: Path, text: str) -> Path:
    """Write a file that only its owner may read, in the same directory."""
    number, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    with os.fdopen(number, "w", encoding="utf-8") as new:
        new.write(text)
    return Path(name)

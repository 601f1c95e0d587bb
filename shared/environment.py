"""What the environment and `.env` say, and which of them said it: the only reader of both."""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from environs import FileAwareEnv

from shared.errors import SettingsError

# What modules and commands read themselves, and may find in the same file.
OF_PROGRAMS = "FORECAST_"
PROJECT_DIR = Path(__file__).resolve().parent.parent


class Environment(FileAwareEnv):
    """Reads NAME_FILE for NAME; a file that cannot be read is one bad variable among others.

    What a running platform was started with comes before the environment, and that before the file.
    """

    def __init__(self, env_file: Path, running: Mapping[str, str]) -> None:
        super().__init__(eager=False, strip_whitespace=True)
        self._running = running
        self.origins: dict[str, str] = {}
        try:
            self.read_env(env_file, recurse=False)
        except PermissionError:
            raise SettingsError([tell_owner(env_file)]) from None

    def find_unknown(self, known: Iterable[str]) -> tuple[str, ...]:
        """Return a sentence for each name of the file that sets nothing."""
        names = set(known)
        unknown = sorted(set(self._environ) - names - {f"{name}_FILE" for name in names})
        return tuple(_tell_unknown(n, names) for n in unknown if not n.startswith(OF_PROGRAMS))

    def _get_value(self, env_key: str, default: Any) -> Any:
        if env_key in self._running:
            self.origins[env_key] = "running platform"
            return self._running[env_key]
        self.origins[env_key] = self._find_origin(env_key)
        try:
            return super()._get_value(env_key, default)
        except (OSError, ValueError):
            self._errors[f"{env_key}_FILE"].append("must name a text file that can be read.")
            return default

    def _find_origin(self, name: str) -> str:
        """Return where the value comes from, in the order in which it is looked for."""
        file = f"{name}_FILE"
        if os.environ.get(file):
            return f"environment ({file})"
        if self._environ.get(file):
            return f".env ({file})"
        if name in os.environ:
            return "environment"
        return ".env" if name in self._environ else "default"


def exported(names: Iterable[str]) -> dict[str, str]:
    """Return what the caller's environment says for these names, and for files instead of them."""
    keys = [key for name in names for key in (name, f"{name}_FILE")]
    return {key: os.environ[key] for key in keys if key in os.environ}


def env_file_path() -> Path:
    """Return where `.env` lies; FORECAST_ENV_FILE names another file."""
    return Path(os.environ.get("FORECAST_ENV_FILE") or PROJECT_DIR / ".env")


def tell_owner(path: Path) -> str:
    """Say whose file it is that this user may not read."""
    owner = path.owner()
    return f"{path} belongs to {owner}, and only {owner} may read it: run this as {owner}"


def _tell_unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"{name} in .env is no setting" + (f": did you mean {near[0]}?" if near else "")

"""What the running platform of this checkout was started with, and how the settings differ from it."""

import shlex
from pathlib import Path

from shared.settings import PROJECT_DIR, SECRET_FIELDS, Settings, variables

# Chosen by MONGODB_HOST and by what the machine has.
DATABASE_SERVER = "DATABASE_SERVER"


def read_started(var_dir: Path) -> dict[str, str]:
    """Return the settings that are fixed until the next start; {} when nothing of ours runs here."""
    run = var_dir / "run"
    try:
        pid = int((run / "supervisord.pid").read_text(encoding="ascii"))
        if Path(f"/proc/{pid}/cwd").readlink() != PROJECT_DIR:
            return {}  # after a reboot the number may be another process's
        words = shlex.split((run / "started.env").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    values = dict(word.split("=", 1) for word in words if "=" in word)
    return {name: values[name] for name in (*variables(), DATABASE_SERVER) if name in values}


def tell_differences(started: dict[str, str], configured: Settings) -> list[str]:
    """Return a sentence for each setting that the next start would change."""
    now = configured.as_environment(masked=False)
    now[DATABASE_SERVER] = configured.database_server
    return [
        f"{name} is {_shown(name, value)} in the running platform, "
        f"{_shown(name, now[name])} here ({configured.origins.get(name, 'by MONGODB_HOST')})"
        for name, value in started.items()
        if value != now[name] and not _follows(name, configured)
    ]


def _follows(name: str, configured: Settings) -> bool:
    """Return whether SERVER_PORT says it all."""
    return name == "WEB_PORT" and configured.origins.get(name) == "default"


def _shown(name: str, value: str) -> str:
    return "another one" if name.lower() in SECRET_FIELDS else value or "empty"

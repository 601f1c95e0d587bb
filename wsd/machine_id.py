"""The id of this machine: two machines may have one NODE_NAME by mistake, and the same ports."""

import hashlib
import uuid
from contextlib import suppress
from pathlib import Path

SYSTEM_FILE = Path("/etc/machine-id")
OWN_FILE = "machine-id"
CHARACTERS = 12


def read_machine_id(var_dir: Path, system_file: Path = SYSTEM_FILE) -> str:
    """Return the machine's id as it may be shown: the system's own is confidential, so a hash."""
    known = _read(system_file) or _read(var_dir / OWN_FILE) or _make(var_dir)
    return hashlib.sha256(f"forecast platform {known}".encode()).hexdigest()[:CHARACTERS]


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace").strip()
    return ""


def _make(var_dir: Path) -> str:
    """Make an id and keep it; of several processes that start at once, the first one's counts."""
    var_dir.mkdir(parents=True, exist_ok=True)
    made = uuid.uuid4().hex
    draft = var_dir / f"{OWN_FILE}.{made}"
    draft.write_text(made, encoding="ascii")
    with suppress(FileExistsError):
        (var_dir / OWN_FILE).hardlink_to(draft)
    draft.unlink()
    return _read(var_dir / OWN_FILE)

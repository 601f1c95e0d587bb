"""How much the disk below VAR_DIR still takes."""

import shutil
from pathlib import Path

# A database that refuses writes with less than this has a reason: a restart would not help it.
FULL_BYTES = 64 * 2**20
# A day's logs and events of ten thousand modules fit in several times.
EARLY_BYTES = 2**30


def free_bytes(directory: Path) -> int:
    """Return what we may still write; the directory need not exist yet."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(existing).free

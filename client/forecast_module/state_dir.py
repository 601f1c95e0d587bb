"""Where a module's results lie on disk, and that one program at a time takes up old work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from forecast_module.address import Address

if sys.platform != "win32":
    import fcntl


def find_state_dir(given: str | None, address: Address, module_hash: str) -> Path:
    """Return a module's directory; ids of two platforms never meet in it."""
    root = Path(given).expanduser() if given else Path.home() / ".forecast_module"
    host = "".join(c if c.isalnum() or c in ".-" else "_" for c in address.host)
    return root / f"{host}_{address.port}" / module_hash


class DirectoryLock:
    """Held by one program at a time, and let go when it dies."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Return False when another program holds it."""
        if sys.platform == "win32":
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return True  # nothing can be kept here either, which the store says
        try:
            # Not flock: processes that a handler forked would hold it on.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return False
        except OSError:
            pass  # a file system without locks
        self._descriptor = descriptor
        self._write_holder(descriptor)
        return True

    def read_holder(self) -> str:
        """Return the pid and the program that hold it."""
        try:
            return self._path.read_text("utf-8", "replace").strip() or "unknown"
        except OSError:
            return "unknown"

    def _write_holder(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"pid {os.getpid()}, {sys.argv[0]}\n".encode("utf-8", "replace"))
        except OSError:
            pass  # it is only for people

    def release(self) -> None:
        """Let it go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

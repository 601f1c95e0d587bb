"""Where the databases of a worker's tests lie: in memory, for a disk took most of the time."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
PREFIX = "forecast-tests-"
NEEDED_BYTES = 2 << 30


@contextmanager
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a directory in memory while there is room for it, else one on the disk.

    A container may have 64 MB of shared memory. A process that is killed loses as little in both.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < NEEDED_BYTES:
        yield tmp_path_factory.mktemp("database")
        return
    _remove_what_the_killed_left()
    process = MEMORY / f"{PREFIX}{os.getpid()}"
    process.mkdir(mode=0o700, exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=process))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
        with suppress(OSError):  # another one of this process is in use
            process.rmdir()


def _remove_what_the_killed_left() -> None:
    for left in MEMORY.glob(f"{PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(PREFIX)).exists():
            shutil.rmtree(left, ignore_errors=True)

"""Keep the logs short that nginx and the database write themselves; supervisord rotates the others.

They write into files, since a pipe that supervisord does not read for a while would stop them.
"""

import itertools
import logging
import os
import shutil
from pathlib import Path

OWN_LOGS = ("nginx-access.log", "nginx-error.log", "database.log")
MAX_BYTES = 10_000_000
BACKUPS = 5

log = logging.getLogger(__name__)


def shorten_logs(directory: Path) -> None:
    """Put every log that has grown too long aside."""
    for name in OWN_LOGS:
        path = directory / name
        try:
            if path.exists() and path.stat().st_size > MAX_BYTES:
                _put_aside(path)
        except OSError as error:
            log.warning("cannot shorten %s: %s", path, error)


def _put_aside(path: Path) -> None:
    """Copy a log and empty it: its process has it open for appending, and simply goes on."""
    backups = [path.with_name(f"{path.name}.{number}") for number in range(1, BACKUPS + 1)]
    for younger, older in reversed(list(itertools.pairwise(backups))):
        if younger.exists():
            younger.replace(older)
    try:
        shutil.copyfile(path, backups[0])
    except OSError as error:
        log.warning("cannot keep the old lines of %s: %s", path, error)
        backups[0].unlink(missing_ok=True)  # on a full disk even half a copy is too much
    os.truncate(path, 0)

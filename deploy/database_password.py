"""Give our own database server its one user; database.sh runs this before the server first asks for it.

Neither server takes a user over the wire once it asks for passwords and has none. So it is started for
a moment on a port drawn by lot, without asking, and ended as soon as the user is written.
"""

import hashlib
import logging
import socket
import subprocess
import time

from shared.settings import DATABASE_USER, PASSWORD_FILE, Settings
from shared.store.server import write_only_user

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
LOOK_SECONDS = 0.05
# Killed with us: it must not hold the data, nor stay open.
WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
# What database.sh compares with the password's own hash.
MARKER = "password-set"

log = logging.getLogger(__name__)


def main() -> None:
    """Write the user, then the marker that says which password it has."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    settings = Settings.from_env()
    port = _draw_port()
    words = ("env", "OPEN_DOOR=1", f"MONGODB_PORT={port}", "bash", "deploy/database.sh")
    with subprocess.Popen([*WITH_PARENT, *words]) as server:  # noqa: S603
        try:
            _wait_until_it_listens(port, server)
            write_only_user(port, DATABASE_USER, settings.database_password)
        finally:
            server.kill()  # what was acknowledged is on the disk
    content = (settings.var_dir / PASSWORD_FILE).read_bytes()
    marker = settings.var_dir / "db" / MARKER
    marker.write_text(f"{hashlib.sha256(content).hexdigest()}  -\n", encoding="ascii")
    log.info("the database asks for the password in %s", PASSWORD_FILE)


def _wait_until_it_listens(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    with socket.socket() as probe:
        while probe.connect_ex((LOOPBACK, port)):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The database did not start: its own words stand above.")
            time.sleep(LOOK_SECONDS)


def _draw_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    main()

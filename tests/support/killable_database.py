"""The database server as the kill tests treat it."""

import signal
import socket

from tests.conftest import DatabaseServer
from tests.support.eventually import eventually


class KillableDatabase(DatabaseServer):
    """The database server; a frozen one keeps its connections and answers nobody."""

    is_frozen = False

    @property
    def is_running(self) -> bool:
        """Return whether the server's process exists."""
        return self.process is not None and self.process.poll() is None

    def wait_until_ready(self, timeout_seconds: float = 20.0) -> None:
        """Return when the server answers; the driver alone would look only twice a second."""
        eventually(self._listens, timeout_seconds)
        super().wait_until_ready(timeout_seconds)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """Kill the server with SIGKILL, frozen or not."""
        super().kill()
        self.is_frozen = False

    def freeze(self) -> None:
        """Stop the server where it stands."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        """Let the server go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.is_frozen = False

"""A real process that a test may kill, freeze and wake; it never outlives the test run."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.settings import PROJECT_DIR

# Should pytest itself be killed, its processes go with it.
WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
EXIT_SECONDS = 10.0


class RealProcess:
    """A program of the platform with its own log file, started any number of times."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], directory: Path
    ) -> None:
        self.name = name
        self._command = [*WITH_PARENT, *command]
        self._env = dict(env)
        self._log = directory / f"{name}.log"
        self._log.touch()
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.is_frozen = False

    @property
    def is_running(self) -> bool:
        """Return whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return at once."""
        assert not self.is_running
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=PROJECT_DIR,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill it and its children with SIGKILL, frozen or not."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait(EXIT_SECONDS)
        self.is_frozen = False

    def freeze(self) -> None:
        """Stop it where it stands: its sockets stay open, without an answer."""
        self._signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)
        self.is_frozen = False

    def toggle_hang(self) -> None:
        """Have the main thread hang while the others go on, or let it go on, too."""
        self._signal(signal.SIGUSR1)

    def terminate(self) -> None:
        """Ask it to end, and return at once."""
        assert self._process is not None
        self._process.terminate()

    def wait(self, seconds: float = EXIT_SECONDS) -> int:
        """Return its exit code; raises TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        """Have it end in its own way, whatever state it is in."""
        if not self.is_running:
            return
        self.thaw()
        self.terminate()
        self.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def mark_log(self) -> None:
        """Begin the log that `read_log` shows here."""
        self._log_start = self._log.stat().st_size

    def read_log(self) -> str:
        """Return what it wrote since the mark."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

"""A real worker process."""

import sys
from pathlib import Path

from shared.settings import Settings
from tests.support.asking import answers
from tests.support.ports import free_port
from tests.support.processes import RealProcess


class Worker(RealProcess):
    """`python -m worker` on a port of its own."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.port = free_port()
        env = {
            "DEBUG": "True",
            "WORKER_PORT": str(self.port),
            "MONGODB_HOST": settings.mongodb_host,
            "MONGODB_NAME": settings.mongodb_name,
            "VAR_DIR": str(directory),
        }
        super().__init__("worker", [sys.executable, "-m", "worker"], env, directory)

    def is_healthy(self) -> bool:
        """Return whether its page says that all its loops work."""
        return answers(self.port, "/healthz")

"""Real worker processes of a running platform."""

import sys
import uuid

from tests.support.asking import answers
from tests.support.eventually import eventually
from tests.support.ports import free_ports_in_a_row
from tests.support.processes import RealProcess
from tests.support.running_platform import RunningPlatform


class WorkerProcess(RealProcess):
    """`python -m worker --index N`, with a log of its own."""

    def __init__(self, platform: RunningPlatform, first_port: int, index: int) -> None:
        self.port = first_port + index
        super().__init__(
            f"worker_{index}-{uuid.uuid4().hex[:4]}",
            [sys.executable, "-m", "worker", "--index", str(index)],
            platform.env | {"WORKER_PORT": str(first_port)},
            platform.directory,
        )

    def come_up(self) -> None:
        """Start it and wait until all its loops work."""
        self.start()
        eventually(lambda: answers(self.port, "/healthz"))


def make_workers(platform: RunningPlatform, count: int) -> list[WorkerProcess]:
    """Return workers that are not started yet."""
    first_port = free_ports_in_a_row(count)
    return [WorkerProcess(platform, first_port, index) for index in range(count)]

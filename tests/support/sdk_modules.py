"""Modules on the SDK that work for a running platform, and what became of their messages."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from forecast_module import Job, Module, Timing

from shared.clock import utc_now
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import DEFAULT_LIFE
from shared.domain.result import Result
from shared.services.queueing import queue_messages
from tests.support.builders import make_message
from tests.support.eventually import eventually
from tests.support.running_platform import RunningPlatform

# As short as the platform's own in these tests.
QUICK = Timing(heartbeat=0.2, confirm=4.0, open=5.0, leave=5.0, longest_pause=0.5)


class SdkModule:
    """One module, what its handler ran, and what was sent to it."""

    def __init__(self, platform: RunningPlatform, directory: Path, **options: Any) -> None:
        self._platform = platform
        self.ran: Counter[str] = Counter()
        self.released = threading.Event()
        self.released.set()
        self.sent: list[MessageId] = []
        self.module_hash = ModuleHash("")
        words = {"name": f"sdk-{uuid.uuid4().hex[:8]}", "timing": QUICK}
        self.module = Module(
            options.pop("url", platform.url), state_dir=str(directory), **words | options
        )
        self.module.on_execute(self._work)

    def _work(self, job: Job) -> dict[str, Any]:
        self.ran[job.id] += 1
        self.released.wait(60)
        return {"echo": job.args}

    def come_up(self) -> None:
        """Start it and wait until it is connected."""
        self.module.start()
        eventually(lambda: self.module.is_connected, 20)
        self.module_hash = ModuleHash(self.module.module_hash or "")

    def send(self, count: int = 1) -> list[MessageId]:
        """Queue messages, which the platform may take some time to do."""
        now = utc_now()
        batch = [
            make_message(
                id=MessageId(uuid.uuid4().hex),
                module_hash=self.module_hash,
                content=f'{{"number":{number}}}',
                created_at=now,
                useful_until=now + DEFAULT_LIFE,
            )
            for number in range(count)
        ]
        queue_messages(self._platform.store, batch)
        ids = [message.id for message in batch]
        self.sent += ids
        return ids

    def results(self) -> dict[MessageId, Result]:
        """Return how what was sent has ended, so far."""
        return self._platform.store.results.read(self.sent)

    def wait_for_results(self, seconds: float = 30.0) -> list[Result]:
        """Wait until everything that was sent has ended."""
        eventually(lambda: len(self.results()) == len(self.sent), seconds)
        return list(self.results().values())


def all_succeeded(results: Sequence[Result]) -> bool:
    """Return whether each has ended by its module's own success, and only once."""
    return all(one.status == "success" and one.is_by_module and not one.late for one in results)


def during(disturbance: Callable[[], None]) -> threading.Thread:
    """Do something beside what the test does; join it at the end."""
    thread = threading.Thread(target=disturbance)
    thread.start()
    return thread

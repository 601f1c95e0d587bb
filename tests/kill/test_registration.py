"""Whatever dies while modules register, each of them is registered as a whole, or unknown."""

import itertools
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPException

import pytest

from shared.clock import utc_now
from shared.services.registration import ABANDONED_AFTER, finish_abandoned
from tests.support.asking import Answer
from tests.support.eventually import eventually
from tests.support.running_platform import RunningPlatform

pytestmark = pytest.mark.kill

CLIENTS = 16
BEFORE_THE_KILL = 60


class Crowd:
    """Clients that register one new module after another, until told to stop."""

    def __init__(self, platform: RunningPlatform) -> None:
        self._platform = platform
        self._prefix = f"crowd-{uuid.uuid4().hex[:8]}"
        self._numbers = itertools.count()
        self._is_over = False
        self.answers: list[Answer] = []

    def run(self, while_they_register: Callable[[], None]) -> None:
        """Keep all clients busy, do this meanwhile, and wait until they have stopped."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._register_on_and_on) for _ in range(CLIENTS)]
            try:
                eventually(lambda: len(self.answers) > BEFORE_THE_KILL)
                while_they_register()
            finally:
                self._is_over = True
        for client in clients:
            client.result()

    def _register_on_and_on(self) -> None:
        while not self._is_over:
            name = f"{self._prefix}-{next(self._numbers)}"
            try:
                answer = self._platform.ask_api(f"/module/register?name={name}")
            except (OSError, HTTPException):
                continue
            if answer.status == 200:
                self.answers.append(answer)

    def stored(self) -> dict[str, int]:
        """Return the number of each of their modules that is registered."""
        query = {"name": {"$regex": f"^{self._prefix}"}}
        modules = self._platform.collection("modules").find(query)
        return {module["_id"]: module["module_id"] for module in modules}

    def recorded(self) -> dict[str, list[int]]:
        """Return the numbers in the events of the registration of each of their modules."""
        query = {"what": "registered", "detail.name": {"$regex": f"^{self._prefix}"}}
        numbers: dict[str, list[int]] = {}
        for event in self._platform.collection("events").find(query):
            numbers.setdefault(event["subject"]["id"], []).append(event["detail"]["module_id"])
        return numbers


def finish(crowd: Crowd, platform: RunningPlatform) -> bool:
    """Finish what was cut off; a write of the killed process may still be on its way."""
    finish_abandoned(platform.store, utc_now() + ABANDONED_AFTER + timedelta(seconds=1))
    return crowd.recorded().keys() == crowd.stored().keys()


def assert_whole(crowd: Crowd, platform: RunningPlatform) -> None:
    eventually(lambda: finish(crowd, platform))
    stored = crowd.stored()
    answered = {a.result["module_hash"]: a.result["module_id"] for a in crowd.answers}
    assert answered.items() <= stored.items()
    assert len(set(stored.values())) == len(stored)
    assert crowd.recorded() == {module_hash: [number] for module_hash, number in stored.items()}


def test_the_api_is_killed(platform: RunningPlatform) -> None:
    crowd = Crowd(platform)
    crowd.run(platform.api.kill)
    assert_whole(crowd, platform)


def test_the_database_is_killed(platform: RunningPlatform) -> None:
    def kill_and_restart() -> None:
        platform.database.kill()
        platform.database.start()
        answered = len(crowd.answers)
        eventually(lambda: len(crowd.answers) > answered + BEFORE_THE_KILL)

    crowd = Crowd(platform)
    crowd.run(kill_and_restart)
    assert_whole(crowd, platform)

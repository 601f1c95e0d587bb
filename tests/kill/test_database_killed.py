"""The database is killed, or is not there yet: what was acknowledged stays, and the rest waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.asking import answers
from tests.support.eventually import eventually, eventually_equal
from tests.support.module_programs import ModulePrograms, Refusal
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


@contextmanager
def registering(platform: RunningPlatform, prefix: str) -> Iterator[list[str]]:
    """Register one module after another over HTTP; yields the hashes that were acknowledged."""
    acknowledged: list[str] = []
    is_over = threading.Event()

    def register() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            answer = platform.ask_api(f"/module/register?name={prefix}-{number}")
            if answer.status == 200:
                acknowledged.append(answer.result["hash"])

    thread = threading.Thread(target=register)
    thread.start()
    try:
        yield acknowledged
    finally:
        is_over.set()
        thread.join()


def test_no_acknowledged_registration_is_lost_when_the_database_is_killed(
    platform: RunningPlatform,
) -> None:
    with registering(platform, "durable") as acknowledged:
        eventually(lambda: len(acknowledged) > 15)
        platform.database.kill()
        survivors = list(acknowledged)
        platform.database.start()
    assert platform.store.modules.names(survivors).keys() == set(survivors)


def test_a_node_that_starts_before_the_database_works_as_soon_as_that_is_there(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(3)
    node.kill()
    platform.database.kill()
    node.start()
    eventually(lambda: answers(node.port, "/healthz"))
    (early, *_) = module_programs.start(modules[:1], node.door)
    eventually_equal(lambda: early.refusals, [Refusal(503, "5003", retry_after=2)])
    platform.database.start()
    late = module_programs.start(modules[1:], node.door, returns=True)
    eventually(lambda: all(program.is_open for program in late))
    eventually_equal(lambda: platform.listed(modules), set(modules[1:]))

"""The example in Node works for a real platform, also when that is killed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_program import node_command

from shared.clock import utc_now
from shared.domain.ids import MessageId
from shared.domain.message import DEFAULT_LIFE
from shared.domain.module import compute_module_hash
from shared.domain.result import Result
from shared.services.queueing import queue_messages
from tests.support.builders import make_message
from tests.support.eventually import eventually
from tests.support.running_platform import RunningPlatform

pytestmark = pytest.mark.kill

NAME = "example-in-node"
MODULE_HASH = compute_module_hash(NAME, "load", "")


@pytest.fixture
def client(platform: RunningPlatform, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, connected."""
    program = subprocess.Popen([*node_command(tmp_path), NAME, platform.url])
    eventually(lambda: platform.listed([MODULE_HASH]), 20)
    yield program
    program.kill()
    program.wait()


def ask(platform: RunningPlatform, message_id: str) -> Result:
    """Send it work; return how that ended."""
    now = utc_now()
    message = make_message(
        id=MessageId(message_id),
        module_hash=MODULE_HASH,
        content='{"type":"execute","args":{"hours":72}}',
        created_at=now,
        useful_until=now + DEFAULT_LIFE,
    )
    queue_messages(platform.store, [message])
    return eventually(lambda: platform.store.results.get(message.id), 30)


def test_a_module_in_node_answers_before_and_after_a_kill(
    platform: RunningPlatform, client: subprocess.Popen[bytes]
) -> None:
    before = ask(platform, "before")
    assert (before.status, before.content) == ("success", '{"answer_to":{"hours":72}}')
    for node in platform.nodes:
        node.kill()
        node.come_up()
    after = ask(platform, "after")
    assert (after.status, after.is_by_module) == ("success", True)

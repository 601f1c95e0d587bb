"""A wsd or the database is killed anywhere in a message's life: nothing is lost (I4)."""

import itertools
import os
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from shared.clock import utc_now
from shared.domain.ids import MessageId, ModuleHash
from shared.domain.message import DEFAULT_LIFE, Message, MessageStatus
from shared.services.queueing import queue_messages
from tests.support.builders import make_message
from tests.support.eventually import eventually, eventually_equal
from tests.support.running_platform import RunningPlatform, WsdNode
from tests.support.working_programs import WorkingProgram, WorkingPrograms

pytestmark = pytest.mark.kill

MESSAGE_WRITES = b"\x02update\x00\x09\x00\x00\x00messages\x00"
RESULT_WRITES = b"\x02insert\x00\x08\x00\x00\x00results\x00"
STORM_MESSAGES = int(os.environ.get("STORM_MESSAGES", "1500"))
STORM_KILLS = int(os.environ.get("STORM_KILLS", "4"))


@pytest.fixture
def programs(platform: RunningPlatform) -> Iterator[WorkingPrograms]:
    made = WorkingPrograms(platform.background)
    yield made
    made.disband()


def send(platform: RunningPlatform, modules: Sequence[ModuleHash], count: int = 1) -> list[str]:
    """Queue so many messages for each module; return their ids."""
    now, batch = utc_now(), uuid.uuid4().hex[:8]
    messages = [
        make_message(
            id=MessageId(f"{batch}-{module_hash[:8]}-{n}"),
            module_hash=module_hash,
            created_at=now + timedelta(milliseconds=n),
            useful_until=now + DEFAULT_LIFE,
            node=None,
        )
        for module_hash in modules
        for n in range(count)
    ]
    for start in range(0, len(messages), 100):
        queue_messages(platform.store, messages[start : start + 100])
    return [message.id for message in messages]


def statuses(platform: RunningPlatform, ids: Sequence[str]) -> set[str]:
    found = platform.store.deliveries.read(map(MessageId, ids))
    assert len(found) == len(ids)
    return {message.status.value for message in found.values()}


def stored(platform: RunningPlatform, message_id: str) -> Message:
    message = platform.store.messages.get(MessageId(message_id))
    assert message is not None
    return message


def expect_rising_attempts(programs: Sequence[WorkingProgram]) -> None:
    """What came more than once came with a higher attempt each time."""
    attempts: dict[str, list[int]] = defaultdict(list)
    for message_id, attempt in itertools.chain(*(p.received for p in programs)):
        attempts[message_id].append(attempt)
    assert [tries for tries in attempts.values() if tries != sorted(set(tries))] == []


def test_a_node_killed_between_mark_and_push_has_the_message_pushed_by_another(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, programs: WorkingPrograms
) -> None:
    modules = platform.register(1)
    (program,) = programs.start(modules, node.door)
    with node.proxy.holding(MESSAGE_WRITES) as held:
        (message_id,) = send(platform, modules)
        eventually(lambda: held.met)
        assert stored(platform, message_id).status is MessageStatus.SENT
        node.kill()
    programs.move(program, other_node.door)
    eventually_equal(lambda: statuses(platform, [message_id]), {"succeeded"})
    assert program.received == [(message_id, 2)]


def test_a_node_killed_between_push_and_ack_has_the_message_pushed_again(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, programs: WorkingPrograms
) -> None:
    modules = platform.register(1)
    (program,) = programs.start(modules, node.door, acks=False, answers=False)
    (message_id,) = send(platform, modules)
    eventually(lambda: program.received)
    node.kill()
    program.acks = program.answers = True
    programs.move(program, other_node.door)
    eventually_equal(lambda: statuses(platform, [message_id]), {"succeeded"})
    assert program.received == [(message_id, 1), (message_id, 2)]


def test_a_node_killed_after_the_ack_leaves_the_message_to_its_module(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, programs: WorkingPrograms
) -> None:
    modules = platform.register(1)
    (program,) = programs.start(modules, node.door, answers=False)
    (message_id,) = send(platform, modules)
    eventually_equal(lambda: statuses(platform, [message_id]), {"acked"})
    lost = node.node_id
    node.kill()
    eventually(lambda: lost not in {n.id for n in platform.store.nodes.all()})
    program.unstored.append(message_id)  # it has finished meanwhile
    programs.move(program, other_node.door)
    eventually_equal(lambda: statuses(platform, [message_id]), {"succeeded"})
    assert program.received == [(message_id, 1)]
    eventually(lambda: not program.unstored)


def test_a_node_killed_before_it_stores_a_result_is_told_it_again(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, programs: WorkingPrograms
) -> None:
    modules = platform.register(1)
    (program,) = programs.start(modules, node.door, answers=False)
    (message_id,) = send(platform, modules)
    eventually_equal(lambda: statuses(platform, [message_id]), {"acked"})
    node.proxy.stall()
    program.unstored.append(message_id)
    programs.say(program, f'{{"type":"result","id":"{message_id}","status":"success"}}')
    node.kill()
    node.proxy.restore()
    programs.move(program, other_node.door)
    eventually_equal(lambda: statuses(platform, [message_id]), {"succeeded"})
    eventually(lambda: not program.unstored)


@pytest.mark.parametrize("words", [RESULT_WRITES, MESSAGE_WRITES], ids=["result", "status"])
def test_a_node_killed_before_it_answers_a_stored_result_loses_nothing(
    platform: RunningPlatform,
    node: WsdNode,
    other_node: WsdNode,
    programs: WorkingPrograms,
    words: bytes,
) -> None:
    modules = platform.register(1)
    (program,) = programs.start(modules, node.door, answers=False)
    (message_id,) = send(platform, modules)
    eventually_equal(lambda: statuses(platform, [message_id]), {"acked"})
    with node.proxy.holding(words) as held:
        program.unstored.append(message_id)
        said = f'{{"type":"result","id":"{message_id}","status":"success","result":"{message_id}"}}'
        programs.say(program, said)
        eventually(lambda: held.met)
        node.kill()
    programs.move(program, other_node.door)
    eventually(lambda: not program.unstored)
    assert statuses(platform, [message_id]) == {"succeeded"}
    result = platform.store.results.get(MessageId(message_id))
    assert result is not None
    assert result.late == ()


def test_a_module_taken_over_in_the_middle_gets_its_work_on_the_other_node(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, programs: WorkingPrograms
) -> None:
    modules = platform.register(5)
    older = programs.start(modules, node.door, acks=False, answers=False)
    ids = send(platform, modules, count=3)
    eventually(lambda: all(len(program.received) == 3 for program in older))
    for program in older:
        program.acks = program.answers = True
        programs.move(program, other_node.door)
    eventually_equal(lambda: statuses(platform, ids), {"succeeded"})
    expect_rising_attempts(older)


def test_messages_survive_a_killed_database(
    platform: RunningPlatform, node: WsdNode, programs: WorkingPrograms
) -> None:
    modules = platform.register(10)
    working = programs.start(modules, node.door)
    ids = send(platform, modules, count=20)
    eventually(lambda: sum(len(program.received) for program in working) > 20)
    platform.database.kill()
    assert all(program.socket for program in working)
    platform.database.start()
    eventually_equal(lambda: statuses(platform, ids), {"succeeded"}, 20)
    eventually(lambda: not any(program.unstored for program in working))
    assert not any(program.errors for program in working)
    expect_rising_attempts(working)


def test_a_storm_of_killed_nodes_loses_no_message(
    platform: RunningPlatform, programs: WorkingPrograms
) -> None:
    modules = platform.register(50)
    earlier = programs.start(modules[:10], platform.door, is_earlier=True)
    working = programs.start(modules[10:], platform.door)
    sent: dict[str, list[str]] = {}
    sending = threading.Thread(
        target=lambda: sent.update(
            earlier=send(platform, modules[:10], STORM_MESSAGES // 50),
            working=send(platform, modules[10:], STORM_MESSAGES // 50),
        )
    )
    sending.start()
    over = threading.Event()
    for number in range(STORM_KILLS):
        over.wait(0.7)
        victim = platform.nodes[number % 2]
        victim.kill()
        over.wait(0.3)
        victim.start()
    sending.join()
    eventually_equal(lambda: statuses(platform, sent["working"]), {"succeeded"}, 60)
    eventually(lambda: not any(program.unstored for program in working))
    eventually(lambda: statuses(platform, sent["earlier"]) <= {"sent", "succeeded"}, 30)
    heard = {message_id for program in earlier for message_id, _ in program.received}
    assert heard == set(sent["earlier"])
    assert not any(program.errors for program in working)
    expect_rising_attempts([*earlier, *working])

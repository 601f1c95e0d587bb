"""One live session per module: the newest, whose program answers (I3)."""

from itertools import cycle

import pytest

from tests.support.eventually import eventually, eventually_equal, throughout
from tests.support.module_programs import ModulePrograms, Refusal
from tests.support.proxy import Proxy
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


def test_the_newer_socket_wins_across_nodes(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(1)
    (older,) = module_programs.connect(modules, node.door)
    (newer,) = module_programs.connect(modules, other_node.door)
    eventually_equal(lambda: older.close_codes, [4509])
    assert platform.nodes_of(modules) == {other_node.node_id}
    assert newer.is_open


def test_a_late_disconnect_changes_nothing(
    platform: RunningPlatform,
    node: WsdNode,
    other_node: WsdNode,
    line: Proxy,
    module_programs: ModulePrograms,
) -> None:
    modules = platform.register(1)
    module_programs.connect(modules, node.door_behind(line))
    line.stall()
    module_programs.connect(modules, other_node.door)
    newer = platform.stored(modules[0])
    line.cut()
    eventually_equal(lambda: node.statistics()["sessions"], 0)
    throughout(0.3, lambda: platform.stored(modules[0]) == newer)


def test_hundreds_of_competing_connects_end_with_one_live_session(
    platform: RunningPlatform, module_programs: ModulePrograms
) -> None:
    modules = platform.register(1)
    doors = cycle([node.door for node in platform.nodes])
    programs = module_programs.start(modules * 150, lambda m: next(doors)(m))
    eventually(lambda: sum(program.is_over for program in programs) == 149, 30)
    (winner,) = [program for program in programs if not program.is_over]
    eventually(lambda: winner.is_open)
    session = platform.stored(modules[0]).session
    assert session is not None
    assert session.peer == winner.local_address
    assert platform.listed(modules) == set(modules)


@pytest.mark.parametrize("newcomers_node", [0, 1], ids=["same node", "another node"])
def test_a_fourth_takeover_is_refused_while_the_incumbent_answers(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms, newcomers_node: int
) -> None:
    modules = platform.register(1)
    *_, incumbent = [module_programs.connect(modules, node.door)[0] for _ in range(4)]
    (newcomer,) = module_programs.start(modules, platform.nodes[newcomers_node].door)
    eventually(lambda: newcomer.is_over)
    assert newcomer.refusals == [Refusal(status=429, code="4029", retry_after=30)]
    assert incumbent.is_open
    (event,) = platform.events(modules[0], "takeover_refused")
    assert event.detail["incumbent"] == incumbent.local_address
    assert event.detail["newcomer"].startswith("127.0.0.1:")


@pytest.mark.parametrize("newcomers_node", [0, 1], ids=["same node", "another node"])
def test_a_fourth_takeover_succeeds_when_the_incumbent_is_frozen(
    platform: RunningPlatform,
    node: WsdNode,
    line: Proxy,
    module_programs: ModulePrograms,
    newcomers_node: int,
) -> None:
    modules = platform.register(1)
    for door in (node.door, node.door, node.door, node.door_behind(line)):
        module_programs.connect(modules, door)
    line.stall()
    (newcomer,) = module_programs.connect(modules, platform.nodes[newcomers_node].door)
    session = platform.stored(modules[0]).session
    assert session is not None
    assert session.peer == newcomer.local_address


def test_what_an_asker_that_died_was_answered_does_not_count_any_more(
    platform: RunningPlatform,
    node: WsdNode,
    other_node: WsdNode,
    line: Proxy,
    module_programs: ModulePrograms,
) -> None:
    modules = platform.register(1)
    for door in (node.door, node.door, node.door, node.door_behind(line)):
        module_programs.connect(modules, door)
    platform.leave_answered_probe(modules[0])
    line.stall()
    (newcomer,) = module_programs.start(modules, other_node.door)
    eventually(lambda: newcomer.is_open or newcomer.is_over)
    assert newcomer.refusals == []

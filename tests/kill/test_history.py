"""A batch fails at any point, written or not: each module's history stays whole."""

import pytest

from shared.domain.ids import ModuleHash
from tests.support.eventually import eventually, eventually_equal
from tests.support.module_programs import ModuleProgram, ModulePrograms
from tests.support.proxy import MODULE_READS, MODULE_WRITES
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill

EVENT_WRITES = b"\x02insert\x00\x07\x00\x00\x00events\x00"
MODULES = 20


def expect_whole_histories(
    platform: RunningPlatform, modules: list[ModuleHash], is_online: bool
) -> None:
    """Each module came and went in turn, and its history ends as it is now."""
    for history in platform.histories(modules):
        turns = ["online", "offline"] * len(history)
        assert history == turns[: len(history)]
        assert (history[-1:] == ["online"]) is is_online


def leave(programs: list[ModuleProgram], module_programs: ModulePrograms) -> None:
    module_programs.vanish(programs)
    module_programs.disband()


@pytest.mark.parametrize("words", [MODULE_READS, MODULE_WRITES, EVENT_WRITES])
def test_a_lost_answer_leaves_a_whole_history(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms, words: bytes
) -> None:
    modules = platform.register(MODULES)
    with node.proxy.losing(words) as lost:
        programs = module_programs.start(modules, node.door, returns=True)
        eventually(lambda: lost.met >= 2 and all(program.refusals for program in programs))
    eventually(lambda: all(program.is_open for program in programs))
    eventually_equal(lambda: platform.listed(modules), set(modules))
    expect_whole_histories(platform, modules, is_online=True)
    with node.proxy.losing(words):
        leave(programs, module_programs)
    eventually_equal(lambda: platform.nodes_of(modules), {""})
    expect_whole_histories(platform, modules, is_online=False)


def test_a_batch_that_times_out_while_the_server_applies_it_leaves_a_whole_history(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(MODULES)
    with node.proxy.holding(MODULE_WRITES) as held:
        programs = module_programs.start(modules, node.door, returns=True)
        eventually(lambda: held.met and any(program.refusals for program in programs))
    eventually(lambda: all(program.is_open for program in programs))
    eventually_equal(lambda: platform.listed(modules), set(modules))
    expect_whole_histories(platform, modules, is_online=True)


def test_takeovers_whose_batch_failed_leave_a_whole_history(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(MODULES)
    module_programs.connect(modules[:10], other_node.door)
    module_programs.connect(modules[10:], node.door)
    with node.proxy.losing(MODULE_WRITES):
        newcomers = module_programs.start(modules, node.door, returns=True)
        eventually(lambda: all(program.refusals for program in newcomers))
    eventually(lambda: all(program.is_open for program in newcomers))
    eventually_equal(lambda: platform.nodes_of(modules), {node.node_id})
    eventually(lambda: all(len(history) >= 3 for history in platform.histories(modules)))
    expect_whole_histories(platform, modules, is_online=True)


def test_sessions_of_a_node_that_is_killed_before_it_records_them_have_a_whole_history(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(MODULES)
    module_programs.connect(modules[:10], other_node.door)
    with node.proxy.holding(MODULE_WRITES) as held:
        module_programs.start(modules, node.door)
        eventually(lambda: held.met)
        node.kill()
    other_node.kill()
    node.come_up()
    other_node.come_up()
    eventually_equal(lambda: platform.nodes_of(modules), {""})
    expect_whole_histories(platform, modules, is_online=False)

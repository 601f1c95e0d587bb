"""A wsd stands still for longer than its lease and its clients' time-outs, and wakes up (I1-I3)."""

import pytest

from tests.support.eventually import eventually, eventually_equal, throughout
from tests.support.module_programs import ModulePrograms
from tests.support.platform_environment import GRACE_SECONDS, LONG_ENOUGH_SECONDS
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


def test_nobody_is_judged_when_everything_stood_still(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(20)
    programs = module_programs.connect(modules[:10], node.door) + module_programs.connect(
        modules[10:], other_node.door
    )
    nodes = platform.nodes_of(modules)
    node.freeze()
    other_node.freeze()
    throughout(LONG_ENOUGH_SECONDS, lambda: all(program.is_open for program in programs))
    node.thaw()
    other_node.thaw()
    throughout(GRACE_SECONDS + 0.3, lambda: all(program.is_open for program in programs))
    assert platform.nodes_of(modules) == nodes
    assert platform.listed(modules) == set(modules)
    assert platform.reasons(modules) == [[]] * 20


def test_a_node_that_was_declared_dead_binds_its_sockets_again(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules, dead = platform.register(20), node.node_id
    programs = module_programs.connect(modules, node.door)
    node.freeze()
    eventually_equal(lambda: platform.nodes_of(modules), {""})
    node.thaw()
    eventually(lambda: platform.nodes_of(modules) == {node.node_id} != {dead})
    eventually_equal(lambda: platform.listed(modules), set(modules))
    assert [program.close_codes for program in programs] == [[]] * 20


def test_sockets_whose_modules_went_elsewhere_meanwhile_are_closed_with_4509(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(20)
    stale = module_programs.connect(modules, node.door)
    node.freeze()
    newer = module_programs.connect(modules, other_node.door)
    eventually(lambda: [n.id for n in platform.store.nodes.all()] == [other_node.node_id])
    node.thaw()
    eventually_equal(lambda: [program.close_codes for program in stale], [[4509]] * 20)
    eventually_equal(lambda: platform.listed(modules), set(modules))
    assert platform.nodes_of(modules) == {other_node.node_id}
    assert all(program.is_open for program in newer)

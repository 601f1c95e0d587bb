"""A wsd whose event loop hangs while its other threads go on (I1, I2)."""

import pytest

from tests.support.eventually import eventually, eventually_equal
from tests.support.module_programs import ModulePrograms
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


def test_the_modules_of_a_hung_event_loop_go_offline_and_come_back_with_it(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules, hung = platform.register(10), node.node_id
    programs = module_programs.connect(modules, node.door)
    eventually_equal(lambda: platform.listed(modules), set(modules))
    node.toggle_hang()
    try:
        eventually_equal(lambda: platform.listed(modules), set())
        eventually_equal(lambda: platform.nodes_of(modules), {""})
    finally:
        node.toggle_hang()
    assert platform.reasons(modules) == [["node_lost"]] * 10
    eventually(lambda: platform.nodes_of(modules) == {node.node_id} != {hung})
    eventually_equal(lambda: platform.listed(modules), set(modules))
    assert [program.close_codes for program in programs] == [[]] * 10

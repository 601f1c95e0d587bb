"""One wsd alone loses its way to the database, and finds it again (I1, I2)."""

import pytest

from tests.support.eventually import eventually, eventually_equal, throughout
from tests.support.module_programs import ModulePrograms
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


def test_nobody_notices_that_a_nodes_database_connections_are_reset(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(10)
    programs = module_programs.connect(modules, node.door)
    eventually_equal(lambda: platform.listed(modules), set(modules))
    node.proxy.cut()
    throughout(0.5, lambda: platform.listed(modules) == set(modules))
    assert platform.nodes_of(modules) == {node.node_id}
    assert [program.close_codes for program in programs] == [[]] * 10


def test_a_node_cut_off_from_the_database_gives_its_modules_up_and_gets_them_back(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules, lost = platform.register(10), node.node_id
    programs = module_programs.connect(modules, node.door)
    eventually_equal(lambda: platform.listed(modules), set(modules))
    node.proxy.stall()
    # The other node has swept them; an api worker alone may just not know yet of their connect.
    eventually_equal(lambda: platform.nodes_of(modules), {""})
    eventually_equal(lambda: platform.listed(modules), set())
    node.proxy.restore()
    eventually(lambda: platform.nodes_of(modules) == {node.node_id} != {lost})
    eventually_equal(lambda: platform.listed(modules), set(modules))
    assert [program.close_codes for program in programs] == [[]] * 10

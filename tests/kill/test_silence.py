"""A program hangs, a line goes dead: the module is not listed any more (I1)."""

import pytest

from tests.support.eventually import eventually_equal
from tests.support.module_programs import ModulePrograms
from tests.support.proxy import Proxy
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


def test_a_program_that_hangs_is_closed_with_4008(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(2)
    hanging, working = module_programs.connect(modules, node.door)
    hanging.is_hanging = True  # the library goes on answering protocol pings
    eventually_equal(lambda: hanging.close_codes, [4008])
    eventually_equal(lambda: platform.listed(modules), {working.module_hash})
    assert platform.reasons(modules) == [["heartbeat_timeout"], []]


def test_a_half_open_connection_goes_away(
    platform: RunningPlatform, node: WsdNode, line: Proxy, module_programs: ModulePrograms
) -> None:
    modules = platform.register(5)
    module_programs.connect(modules, node.door_behind(line))
    eventually_equal(lambda: platform.listed(modules), set(modules))
    line.stall()
    eventually_equal(lambda: platform.listed(modules), set())
    eventually_equal(lambda: platform.reasons(modules), [["connection_lost"]] * 5)

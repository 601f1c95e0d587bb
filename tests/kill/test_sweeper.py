"""A sweeper dies half-way: another one finishes, and spares modules that came back (I1, I2)."""

import pytest

from tests.support.eventually import eventually, eventually_equal
from tests.support.module_programs import ModulePrograms
from tests.support.proxy import MODULE_WRITES
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill

MANY = 150
SLOW_SLICE_SECONDS = 0.25


def test_another_sweeper_finishes_what_a_killed_one_began(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules, lost = platform.register(MANY), node.node_id
    module_programs.connect(modules, node.door, heartbeat_seconds=0.5)
    with other_node.proxy.delaying(MODULE_WRITES, SLOW_SLICE_SECONDS):
        node.kill()
        eventually(lambda: 0 < platform.count_connected(modules) < MANY)
        other_node.kill()
    assert platform.count_connected(modules) > 0
    node.come_up()
    returned = module_programs.connect(modules[-20:], node.door)
    eventually(lambda: lost not in {n.id for n in platform.store.nodes.all()})
    eventually_equal(lambda: platform.listed(modules), set(modules[-20:]))
    assert platform.reasons(modules) == [["node_lost"]] * MANY
    assert all(program.is_open for program in returned)

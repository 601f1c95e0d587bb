"""A wsd dies: its modules are not listed any more, whichever process is left (I1)."""

import pytest

from shared.clock import utc_now
from tests.support.eventually import eventually, eventually_equal
from tests.support.module_programs import ModulePrograms
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


def test_modules_of_a_killed_node_vanish_though_nobody_sweeps(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    other_node.stop()
    modules = platform.register(5)
    module_programs.connect(modules, node.door)
    eventually_equal(lambda: platform.listed(modules), set(modules))
    node.kill()
    # An api that has just started, or had no database lately, believes the lease for 10 s more.
    eventually_equal(lambda: platform.listed(modules), set(), seconds=20)
    assert "" not in platform.nodes_of(modules)


def test_another_node_sweeps_after_a_killed_one(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules, lost = platform.register(60), node.node_id
    module_programs.connect(modules, node.door)
    node.kill()
    killed = platform.store.nodes.get(lost)
    assert killed is not None
    eventually(lambda: lost not in {n.id for n in platform.store.nodes.all()})
    assert platform.nodes_of(modules) == {""}
    assert platform.reasons(modules) == [["node_lost"]] * 60
    (end,) = {event.at for module in modules for event in platform.events(module, "offline")}
    # A renewal that was on its way when the node died may still have come after our look.
    assert killed.lease_until <= end <= utc_now()
    assert {platform.stored(module).state_since for module in modules} == {end}


def test_a_restarted_node_takes_its_predecessors_modules_offline_at_once(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    other_node.stop()
    modules, lost = platform.register(5), node.node_id
    module_programs.connect(modules, node.door)
    node.kill()
    node.start()
    eventually(lambda: lost not in {n.id for n in platform.store.nodes.all()})
    assert platform.reasons(modules) == [["node_lost"]] * 5

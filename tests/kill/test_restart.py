"""nginx or a wsd is restarted: modules that come back are listed again, and none is lost (I7)."""

from collections.abc import Callable

import pytest

from tests.support.eventually import eventually, eventually_equal
from tests.support.module_programs import ModulePrograms
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill

# supervisord kills a wsd that has not gone by then.
STOP_WAIT_SECONDS = 8


def test_after_a_crash_of_nginx_modules_that_come_back_are_listed(
    platform: RunningPlatform, module_programs: ModulePrograms
) -> None:
    modules = platform.register(20)
    returning = module_programs.connect(modules[:10], platform.door, returns=True)
    module_programs.connect(modules[10:], platform.door)
    eventually_equal(lambda: platform.listed(modules), set(modules))
    platform.nginx.kill()
    eventually_equal(lambda: platform.listed(modules), set())
    platform.nginx.start()
    eventually(lambda: all(program.is_open for program in returning))
    eventually_equal(lambda: platform.listed(modules), set(modules[:10]))
    assert platform.reasons(modules) == [["connection_lost"]] * 20


def test_a_stopping_node_closes_its_300_sockets_with_1012_and_leaves_nothing_behind(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules, leaving = platform.register(300), node.node_id
    programs = module_programs.connect(modules, node.door, heartbeat_seconds=0.5)
    node.terminate()
    assert node.wait(STOP_WAIT_SECONDS) == 0
    eventually_equal(lambda: [program.close_codes for program in programs], [[1012]] * 300)
    assert platform.count_connected(modules) == 0
    assert leaving not in {n.id for n in platform.store.nodes.all()}
    assert platform.reasons(modules) == [["platform_restart"]] * 300


def test_modules_of_a_stopping_node_move_to_another_one_through_nginx(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(100)
    module_programs.connect(modules, platform.door, returns=True)
    node.stop()
    eventually_equal(lambda: platform.nodes_of(modules), {other_node.node_id})
    eventually_equal(lambda: platform.listed(modules), set(modules))
    # The events of sessions are recorded after the sessions themselves.
    eventually_equal(
        lambda: {r for reasons in platform.reasons(modules) for r in reasons}, {"platform_restart"}
    )


def test_modules_of_a_crashed_node_are_listed_by_another_one(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules, crashed = platform.register(50), node.node_id
    module_programs.connect(modules, platform.door, returns=True)
    node.kill()
    eventually(lambda: platform.nodes_of(modules) == {other_node.node_id})
    eventually_equal(lambda: platform.listed(modules), set(modules))
    eventually(lambda: crashed not in {n.id for n in platform.store.nodes.all()})
    assert platform.nodes_of(modules) == {other_node.node_id}


def freeze_database(platform: RunningPlatform) -> None:
    platform.database.freeze()


def kill_database(platform: RunningPlatform) -> None:
    platform.database.kill()


@pytest.mark.parametrize("take_away", [freeze_database, kill_database])
def test_a_node_stops_in_time_though_the_database_is_away(
    platform: RunningPlatform,
    node: WsdNode,
    module_programs: ModulePrograms,
    take_away: Callable[[RunningPlatform], None],
) -> None:
    modules = platform.register(100)
    programs = module_programs.connect(modules, node.door)
    eventually_equal(lambda: platform.listed(modules), set(modules))
    take_away(platform)
    node.terminate()
    assert node.wait(STOP_WAIT_SECONDS) == 0
    eventually_equal(lambda: [program.close_codes for program in programs], [[1012]] * 100)
    platform.mend()
    eventually_equal(lambda: platform.listed(modules), set())


def test_a_module_that_connects_to_a_stopping_node_is_refused_and_leaves_no_session(
    platform: RunningPlatform, node: WsdNode, other_node: WsdNode, module_programs: ModulePrograms
) -> None:
    other_node.stop()
    modules = platform.register(200)
    programs = module_programs.start(modules, node.door, returns=True, heartbeat_seconds=0.5)
    eventually(lambda: any(program.is_open for program in programs))
    node.stop()
    assert platform.count_connected(modules) == 0
    assert {r.status for program in programs for r in program.refusals} <= {503}

"""A module whose socket speaks is listed again, whatever marked it offline (I2)."""

from collections.abc import Callable

import pytest

from tests.support.eventually import eventually, eventually_equal
from tests.support.module_programs import ModulePrograms
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


def erase_sessions(platform: RunningPlatform, node_id: str) -> None:
    platform.collection("modules").update_many(
        {"session.node": node_id}, {"$set": {"session": None}}
    )


def delete_node(platform: RunningPlatform, node_id: str) -> None:
    platform.collection("nodes").delete_one({"_id": node_id})


def declare_node_dead(platform: RunningPlatform, node_id: str) -> None:
    platform.collection("nodes").update_one({"_id": node_id}, {"$set": {"dead": True}})


@pytest.mark.parametrize("mark_offline", [erase_sessions, delete_node, declare_node_dead])
def test_a_module_marked_offline_is_listed_again_on_the_same_socket(
    platform: RunningPlatform,
    node: WsdNode,
    module_programs: ModulePrograms,
    mark_offline: Callable[[RunningPlatform, str], None],
) -> None:
    modules = platform.register(10)
    programs = module_programs.connect(modules, node.door)
    mark_offline(platform, node.node_id)
    eventually(lambda: all(platform.stored(m).epoch > 1 for m in modules))
    eventually(lambda: platform.nodes_of(modules) == {node.node_id})
    eventually_equal(lambda: platform.listed(modules), set(modules))
    assert [program.close_codes for program in programs] == [[]] * 10


def test_a_module_that_was_deleted_is_told_to_register_again(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(1)
    (program,) = module_programs.connect(modules, node.door)
    platform.collection("modules").delete_one({"_id": modules[0]})
    eventually_equal(lambda: program.close_codes, [4501])

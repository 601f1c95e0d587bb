"""A claim is delayed or its answer is lost: no session is left behind without a socket (I1)."""

import pytest

from tests.support.eventually import eventually, eventually_equal
from tests.support.module_programs import ModulePrograms, Refusal
from tests.support.proxy import MODULE_WRITES
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill


def test_a_client_gone_during_a_delayed_claim_is_not_listed(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(5)
    with node.proxy.holding(MODULE_WRITES) as held:
        module_programs.start(modules, node.door)
        eventually(lambda: held.met)  # some are stored already, the others wait behind them
        module_programs.disband()
    eventually_equal(lambda: platform.nodes_of(modules), {""})
    assert platform.listed(modules) == set()


def test_a_claim_whose_answer_is_cut_off_is_refused_and_leaves_no_session(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(5)
    with node.proxy.losing(MODULE_WRITES) as lost:
        programs = module_programs.start(modules, node.door)
        eventually(lambda: all(program.is_over for program in programs))
    assert lost.met
    assert [p.refusals for p in programs] == [[Refusal(503, "5003", retry_after=2)]] * 5
    assert 1 in {platform.stored(m).epoch for m in modules}  # the server had bound some
    eventually_equal(lambda: platform.nodes_of(modules), {""})


def test_a_module_whose_claim_was_cut_off_gets_in_when_it_comes_again(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules = platform.register(5)
    with node.proxy.losing(MODULE_WRITES):
        programs = module_programs.start(modules, node.door, returns=True)
        eventually(lambda: all(program.refusals for program in programs))
    eventually(lambda: all(program.is_open for program in programs))
    eventually_equal(lambda: platform.listed(modules), set(modules))
    assert {refusal.status for p in programs for refusal in p.refusals} == {503}

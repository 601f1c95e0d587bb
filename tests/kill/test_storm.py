"""Many modules come at once while the database's disk is slow: each gets in, in its turn."""

import time
from collections.abc import Sequence

import pytest

from shared.clock import utc_now
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.session import Session, SessionStart
from shared.store import Store
from tests.support.eventually import eventually
from tests.support.module_programs import ModulePrograms
from tests.support.running_platform import RunningPlatform, WsdNode

pytestmark = pytest.mark.kill

MODULES = 200
SAMPLE = 40
# However the storm is cut into two batches, one of them takes longer than its time-out.
COMMIT_SECONDS = 0.06


def write_bare(store: Store, modules: Sequence[ModuleHash]) -> float:
    """Write sessions and nothing else; return the seconds that each took."""
    bare = Session(id=SessionId("bare"), node=NodeId("bare"), peer="none", connected_at=utc_now())
    starts = [SessionStart(module_hash=m, session=bare, epoch_before=0, epoch=1) for m in modules]
    started = time.monotonic()
    assert store.sessions.write(starts, []) == len(modules)
    return (time.monotonic() - started) / len(modules)


def test_a_storm_on_a_slow_disk_takes_at_most_twice_as_long_as_its_updates(
    platform: RunningPlatform, node: WsdNode, module_programs: ModulePrograms
) -> None:
    modules, sample = platform.register(MODULES), platform.register(SAMPLE)
    with node.proxy.with_slow_disk(COMMIT_SECONDS):
        with platform.store_behind(node.proxy) as store:
            bare_seconds = write_bare(store, sample)
        started = time.monotonic()
        programs = module_programs.start(modules, node.door, returns=True, heartbeat_seconds=0.5)
        eventually(lambda: all(program.opened for program in programs), 40)
        storm_seconds = time.monotonic() - started
    assert storm_seconds < 2 * bare_seconds * MODULES
    assert all(program.refusals == [] for program in programs)

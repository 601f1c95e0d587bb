"""The database is away for longer than a lease: no module is cut off, and none is put offline (I6)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from shared.domain.ids import ModuleHash
from tests.support.asking import Answer
from tests.support.eventually import eventually, eventually_equal, throughout
from tests.support.module_programs import ModuleProgram, ModulePrograms, Refusal
from tests.support.platform_environment import LONG_ENOUGH_SECONDS
from tests.support.running_platform import RunningPlatform

pytestmark = pytest.mark.kill

# What clients are promised is two seconds; the rest is for a loaded machine.
PATIENCE_SECONDS = 3.0


@dataclass
class Outage:
    """The modules connected when the database went away, and what they saw until it was back."""

    platform: RunningPlatform
    stayed: list[ModuleProgram]
    left: list[ModuleProgram]
    newcomers: list[ModuleProgram] = field(default_factory=list)
    confirmed_before: list[int] = field(default_factory=list)
    confirmed_after: list[int] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    slowest_seconds: float = 0.0
    missing: list[set[ModuleHash]] = field(default_factory=list)

    @property
    def modules(self) -> list[ModuleHash]:
        """Return the modules that never went away."""
        return [program.module_hash for program in self.stayed]

    def ask(self) -> Answer:
        """Ask the api for the modules online, and note how long that took."""
        started = time.monotonic()
        answer = self.platform.ask_api("/module/online")
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
        self.answers.append(answer)
        return answer


def live_through(outage: Outage) -> None:
    """Use the platform while the database is away."""
    outage.confirmed_before = [program.confirmed for program in outage.stayed]
    throughout(LONG_ENOUGH_SECONDS, outage.ask)
    eventually(lambda: all(program.is_over for program in outage.newcomers))
    outage.confirmed_after = [program.confirmed for program in outage.stayed]


def recover(outage: Outage) -> None:
    """Bring the database back, and watch the first listings that come after it."""
    platform = outage.platform
    if platform.database.is_frozen:
        platform.database.thaw()
    else:
        platform.database.start()

    def look() -> bool:
        answer = platform.ask_api("/module/online")  # a worker may say 503 for one second more
        if answer.status == 200:
            online = {item["module_hash"] for item in answer.result}
            outage.missing.append(set(outage.modules) - online)
        return bool(outage.missing)

    eventually(look)
    throughout(0.6, look)


@pytest.fixture(scope="module", params=["killed", "frozen"])
def outage(running_platform: RunningPlatform, request: pytest.FixtureRequest) -> Iterator[Outage]:
    """An outage that is over: most modules stayed, some left meanwhile, some tried to get in."""
    platform, module_programs = running_platform, ModulePrograms(running_platform.background)
    platform.mend()
    node, other_node = platform.nodes
    try:
        stayed = module_programs.connect(platform.register(10), node.door)
        stayed += module_programs.connect(platform.register(10), other_node.door)
        outage = Outage(
            platform, stayed, left=module_programs.connect(platform.register(5), node.door)
        )
        uninvited = platform.register(5)
        if (
            request.param == "killed"
        ):  # a module that comes then waits, and gets in after the restart
            platform.database.kill()
        else:
            platform.database.freeze()
            outage.newcomers = module_programs.start(uninvited, node.door)
        module_programs.vanish(outage.left)
        live_through(outage)
        recover(outage)
        yield outage
    finally:
        module_programs.disband()


def test_sockets_stay_open_and_heartbeats_are_confirmed(outage: Outage) -> None:
    assert [program.close_codes for program in outage.stayed] == [[]] * len(outage.stayed)
    pairs = zip(outage.confirmed_before, outage.confirmed_after, strict=True)
    assert all(after >= before + 5 for before, after in pairs)


def test_the_api_says_503_and_does_not_keep_callers_waiting(outage: Outage) -> None:
    assert {(answer.status, answer.code) for answer in outage.answers} == {(503, "5003")}
    assert outage.slowest_seconds < PATIENCE_SECONDS


@pytest.mark.parametrize("outage", ["frozen"], indirect=True)
def test_newcomers_are_asked_to_come_back(outage: Outage) -> None:
    refusals = [program.refusals for program in outage.newcomers]
    assert refusals == [[Refusal(503, "5003", retry_after=2)]] * 5
    newcomers = [program.module_hash for program in outage.newcomers]
    eventually_equal(lambda: outage.platform.nodes_of(newcomers), {""})


def test_nobody_is_missing_or_blamed_afterwards(outage: Outage) -> None:
    assert outage.missing == [set()] * len(outage.missing)
    assert outage.platform.reasons(outage.modules) == [[]] * len(outage.modules)


def test_heartbeats_are_flushed_afterwards(outage: Outage) -> None:
    heartbeats = outage.platform.store.heartbeats
    before = {module: heartbeats.get(module).heartbeat_at for module in outage.modules}
    eventually(lambda: all(heartbeats.get(m).heartbeat_at != at for m, at in before.items()))


def test_a_module_that_left_meanwhile_is_offline_for_that_reason(outage: Outage) -> None:
    left = [program.module_hash for program in outage.left]
    eventually_equal(lambda: outage.platform.nodes_of(left), {""})
    assert outage.platform.reasons(left) == [["connection_lost"]] * len(left)

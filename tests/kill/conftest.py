"""One platform of real processes for all kill tests; each finds it whole, with its logs marked."""

from collections.abc import Iterator

import pytest

from tests.support.module_programs import ModulePrograms
from tests.support.proxy import Proxy
from tests.support.running_platform import RunningPlatform, WsdNode


@pytest.fixture(scope="session")
def running_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """Every process of the platform, started once."""
    running = RunningPlatform(tmp_path_factory.mktemp("platform"))
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def platform(running_platform: RunningPlatform) -> RunningPlatform:
    """The platform, all of it up again whatever the test before did to it."""
    running_platform.mend()
    return running_platform


@pytest.fixture
def node(platform: RunningPlatform) -> WsdNode:
    """The first wsd."""
    return platform.nodes[0]


@pytest.fixture
def other_node(platform: RunningPlatform) -> WsdNode:
    """The second wsd."""
    return platform.nodes[1]


@pytest.fixture
def line(node: WsdNode, platform: RunningPlatform) -> Iterator[Proxy]:
    """A network between programs and the first wsd."""
    opened = Proxy(platform.network, node.port)
    yield opened
    opened.restore()
    opened.close()


@pytest.fixture
def module_programs(platform: RunningPlatform) -> Iterator[ModulePrograms]:
    """Modules' programs, all gone after the test."""
    programs = ModulePrograms(platform.background)
    yield programs
    programs.disband()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Put the processes' logs into the report of a test that failed."""
    report = yield
    running = getattr(item, "funcargs", {}).get("running_platform")
    if report.failed and running is not None:
        report.sections += [(f"log of {name}", text[-6000:]) for name, text in running.read_logs()]
    return report

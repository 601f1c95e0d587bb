"""platformctl expire, close, delete, enable, disable: the questions they ask and what is stored."""

import getpass
from datetime import timedelta
from functools import partialmethod
from threading import Timer

import pytest

from cli.render import format_time
from shared.clock import utc_now
from shared.domain.ids import NodeId
from shared.domain.node import LeaseGrace
from tests.cli.conftest import Run
from tests.support.builders import NODE
from tests.support.registry import Registry

GONE = NodeId("host-b:10090:1")


def test_expire_asks_before_it_closes_living_sockets_and_says_how_many(
    registry: Registry, run: Run
) -> None:
    registry.enrol()
    modules = [registry.connect(registry.register(f"module-{n}")) for n in range(3)]
    result = run("expire", answer="n\n")
    assert result.exit_code == 1
    assert "3 modules" in result.stderr
    assert [registry.read(module) for module in modules] == modules


def test_expire_puts_everybody_offline_after_yes(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    result = run("expire", answer="y\n")
    assert result.exit_code == 0
    assert "Put offline: 1 module." in result.stderr
    assert registry.read(module).session is None
    assert [command.session for command in registry.store.node_commands.read(NODE)] == [
        module.session.id
    ]
    assert registry.happened(module)[-1] == ("offline", "expired_by_operator")


def test_expire_with_nobody_at_the_keyboard_changes_nothing(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    assert run("expire", answer="").exit_code == 1
    assert registry.read(module) == module


def test_expire_yes_does_not_ask(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    assert run("expire", "--yes").exit_code == 0
    assert registry.read(module).session is None


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is over is believed for a second only."""
    monkeypatch.setattr(LeaseGrace, "__init__", partialmethod(LeaseGrace.__init__, seconds=1.0))


def test_expire_stale_takes_nothing_while_it_may_be_the_database_that_was_away(
    registry: Registry, run: Run, short_grace: None
) -> None:
    registry.enrol(lease_seconds=-10)
    module = registry.connect(registry.register())
    renewing = Timer(0.3, registry.store.nodes.renew, (NODE, utc_now() + timedelta(seconds=20), 1))
    renewing.start()
    result = run("expire", "--stale")
    renewing.join()
    assert "In doubt: 1 module; looking for up to 10 s more." in result.stderr
    assert "Put offline: 0 modules." in result.stderr
    assert registry.read(module) == module


def test_a_module_in_doubt_can_be_closed(registry: Registry, run: Run) -> None:
    registry.enrol(lease_seconds=-10)
    module = registry.connect(registry.register())
    assert run("close", module.module_hash).exit_code == 0
    assert registry.read(module).session is None


def test_expire_stale_spares_the_living_and_does_not_ask(
    registry: Registry, run: Run, short_grace: None
) -> None:
    registry.enrol()
    registry.enrol(GONE, lease_seconds=-10)
    living = registry.connect(registry.register("living"))
    stale = registry.connect(registry.register("stale"), node=GONE)
    result = run("expire", "--stale", answer="")
    assert result.exit_code == 0
    assert registry.read(stale).session is None
    assert registry.read(living) == living


def test_expire_one_module_leaves_the_others_alone(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    other = registry.connect(registry.register("another"))
    result = run("expire", "--module", module.module_hash[:12], answer="y\n")
    assert "1 module " in result.stderr
    assert registry.read(module).session is None
    assert registry.read(other) == other


def test_expire_with_nobody_connected_says_so(registry: Registry, run: Run) -> None:
    registry.register()
    result = run("expire")
    assert (result.exit_code, result.stderr) == (0, "Put offline: 0 modules.\n")


def test_close_ends_one_session(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    result = run("close", module.module_hash[:8])
    assert (result.exit_code, result.stderr) == (0, "Closed load-forecast.\n")
    assert registry.read(module).session is None


def test_close_says_that_a_module_is_not_online(registry: Registry, run: Run) -> None:
    result = run("close", registry.register().module_hash)
    assert result.exit_code == 1
    assert result.stderr == "Error: The module 'load-forecast' is not online.\n"


def test_delete_asks_first(registry: Registry, run: Run) -> None:
    module = registry.register()
    result = run("delete", module.module_hash, answer="n\n")
    assert result.exit_code == 1
    assert "Delete load-forecast (module_id 1)?" in result.stderr
    assert registry.read(module) == module


def test_delete_yes_deletes(registry: Registry, run: Run) -> None:
    module = registry.register()
    assert run("delete", module.module_hash, "--yes").exit_code == 0
    assert registry.store.modules.get(module.module_hash) is None


def test_disable_and_enable_say_what_became_of_it(registry: Registry, run: Run) -> None:
    module = registry.register()
    me = getpass.getuser()
    said = [run(verb, module.module_hash).stderr for verb in ("disable", "disable")]
    since = format_time(registry.read(module).disabling.at)
    said.append(run("enable", module.module_hash).stderr)
    assert said == [
        "load-forecast is disabled.\n",
        f"load-forecast was disabled already, since {since}: {me} disabled the module.\n",
        "load-forecast is enabled; its program tries every 10 minutes, and comes back by itself "
        "(at once, if it is started again).\n",
    ]
    assert registry.read(module).enabled


def test_without_a_terminal_the_answer_is_named(registry: Registry, run: Run) -> None:
    module = registry.register("load")
    result = run("delete", "load")
    assert result.exit_code == 1
    assert "Nothing was changed: without a terminal, --yes is the answer." in result.stderr
    assert registry.store.modules.get(module.module_hash) is not None


def test_disable_keeps_the_reason_on_one_line(registry: Registry, run: Run) -> None:
    module = registry.register()
    run("disable", "1", "--because", " new model\nuntil Monday ")
    disabling = registry.read(module).disabling
    assert (disabling.because, disabling.actor) == (
        "new model until Monday",
        f"user:{getpass.getuser()}",
    )
    assert "disabled the module: new model until Monday" in run("disable", "1").stderr


def test_a_reason_that_nothing_could_show_is_refused(registry: Registry, run: Run) -> None:
    module = registry.register()
    assert run("disable", "1", "--because", "x" * 201).exit_code == 2
    assert registry.read(module).enabled


def test_delete_warns_of_a_program_that_will_come_back(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register("load 72h"))
    result = run("delete", "load 72h", answer="n\n")
    assert "its program will register again within seconds" in result.stderr
    assert "platformctl disable 'load 72h'" in result.stderr
    assert registry.read(module) == module


def test_delete_of_an_offline_module_warns_of_nothing(registry: Registry, run: Run) -> None:
    registry.register()
    assert "register again" not in run("delete", "1", answer="n\n").stderr


def test_set_changes_priority_and_tags(registry: Registry, run: Run) -> None:
    module = registry.register(tags=("north",))
    result = run("set", "1", "--priority", "7", "--tag", "+pilot", "--tag", "-north")
    assert result.stderr == "load-forecast: priority 7, tags: pilot.\n"
    assert (registry.read(module).priority, registry.read(module).tags) == (7, ("pilot",))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Give --priority N, --tag +TAG or --tag -TAG"),
        (("--tag", "pilot"), "write +pilot to add it, -pilot to take it away"),
        (("--priority", "high"), "high"),
    ],
)
def test_set_says_what_to_write(
    registry: Registry, run: Run, words: tuple[str, ...], told: str
) -> None:
    registry.register()
    result = run("set", "1", *words)
    assert result.exit_code == 2
    assert told in result.stderr

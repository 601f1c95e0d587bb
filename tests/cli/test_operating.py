"""platformctl expire, close, delete, enable, disable: the questions they ask and what is stored."""

from shared.domain.module import NodeId
from tests.builders import NODE
from tests.cli.conftest import Run
from tests.fleet import Fleet

GONE = NodeId("host-b:10090:1")


def test_expire_asks_before_it_closes_living_sockets_and_says_how_many(
    fleet: Fleet, run: Run
) -> None:
    fleet.enrol()
    modules = [fleet.connect(fleet.register(f"module-{n}")) for n in range(3)]
    result = run("expire", answer="n\n")
    assert result.exit_code == 1
    assert "3 modules" in result.stderr
    assert [fleet.read(module) for module in modules] == modules


def test_expire_puts_everybody_offline_after_yes(fleet: Fleet, run: Run) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    result = run("expire", answer="y\n")
    assert result.exit_code == 0
    assert "Put offline: 1 module." in result.stderr
    assert fleet.read(module).session is None
    assert [order.session for order in fleet.store.orders.read(NODE)] == [module.session.id]
    assert fleet.happened(module)[-1] == ("offline", "expired_by_operator")


def test_expire_with_nobody_at_the_keyboard_changes_nothing(fleet: Fleet, run: Run) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    assert run("expire", answer="").exit_code == 1
    assert fleet.read(module) == module


def test_expire_yes_does_not_ask(fleet: Fleet, run: Run) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    assert run("expire", "--yes").exit_code == 0
    assert fleet.read(module).session is None


def test_expire_stale_spares_the_living_and_does_not_ask(fleet: Fleet, run: Run) -> None:
    fleet.enrol()
    fleet.enrol(GONE, lease_seconds=-10)
    living = fleet.connect(fleet.register("living"))
    stale = fleet.connect(fleet.register("stale"), node=GONE)
    result = run("expire", "--stale", answer="")
    assert result.exit_code == 0
    assert fleet.read(stale).session is None
    assert fleet.read(living) == living


def test_expire_one_module_leaves_the_others_alone(fleet: Fleet, run: Run) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    other = fleet.connect(fleet.register("another"))
    result = run("expire", "--module", module.module_hash[:12], answer="y\n")
    assert "1 module " in result.stderr
    assert fleet.read(module).session is None
    assert fleet.read(other) == other


def test_expire_with_nobody_connected_says_so(fleet: Fleet, run: Run) -> None:
    fleet.register()
    result = run("expire")
    assert (result.exit_code, result.stderr) == (0, "Put offline: 0 modules.\n")


def test_close_ends_one_session(fleet: Fleet, run: Run) -> None:
    fleet.enrol()
    module = fleet.connect(fleet.register())
    result = run("close", module.module_hash[:8])
    assert (result.exit_code, result.stderr) == (0, "Closed load-forecast.\n")
    assert fleet.read(module).session is None


def test_close_says_that_a_module_is_not_online(fleet: Fleet, run: Run) -> None:
    result = run("close", fleet.register().module_hash)
    assert result.exit_code == 1
    assert result.stderr == "Error: The module 'load-forecast' is not online.\n"


def test_delete_asks_first(fleet: Fleet, run: Run) -> None:
    module = fleet.register()
    result = run("delete", module.module_hash, answer="n\n")
    assert result.exit_code == 1
    assert "Delete load-forecast (module_id 1)?" in result.stderr
    assert fleet.read(module) == module


def test_delete_yes_deletes(fleet: Fleet, run: Run) -> None:
    module = fleet.register()
    assert run("delete", module.module_hash, "--yes").exit_code == 0
    assert fleet.store.modules.get(module.module_hash) is None


def test_disable_and_enable_say_what_became_of_it(fleet: Fleet, run: Run) -> None:
    module = fleet.register()
    said = [run(verb, module.module_hash).stderr for verb in ("disable", "disable", "enable")]
    assert said == [
        "load-forecast is disabled.\n",
        "load-forecast was disabled already.\n",
        "load-forecast is enabled.\n",
    ]
    assert fleet.read(module).enabled

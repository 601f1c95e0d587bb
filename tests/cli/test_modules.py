"""platformctl list and show."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import click
import pytest

from cli.context import Platform
from cli.main import cli
from cli.modules import show
from cli.parameters import EXECUTION, EXPLAINED, KIND, MESSAGE, MODULE, MODULE_NAME, TAG
from shared.domain.closing import OfflineReason
from shared.domain.session import SessionEnd
from shared.services.module_admin import set_enabled
from shared.settings import Settings
from shared.store import Store
from tests.cli.conftest import Run
from tests.support.builders import ACTOR, make_execution, make_message, make_result
from tests.support.ports import free_port
from tests.support.registry import Registry


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def test_list_shows_the_modules_that_are_online_and_no_others(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register("load-forecast", mission_kind="load"))
    registry.register("offline-one")
    header, row = run("list").stdout.splitlines()
    assert header.split() == [
        "id",
        "hash",
        "name",
        "kind",
        "state",
        "reason",
        "since",
        "last",
        "alive",
        "peer",
    ]
    assert row.split()[:5] == ["1", module.module_hash[:12], "load-forecast", "load", "online"]
    assert row.split()[-1] == module.session.peer


def test_list_leaves_standard_output_empty_when_nobody_is_online(run: Run) -> None:
    result = run("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "No module is online.\n"
    assert run("list", "--all").stderr == "No module is registered.\n"
    assert run("list", "--kind", "load").stderr == "No module matches.\n"


def test_a_module_whose_node_is_silent_is_listed_and_in_doubt(registry: Registry, run: Run) -> None:
    registry.enrol(lease_seconds=-10)
    registry.connect(registry.register())
    assert "  online  in doubt  " in run("list").stdout


def test_list_all_says_why_a_module_is_offline(registry: Registry, run: Run) -> None:
    registry.register("never")
    node = registry.enrol(lease_seconds=-10)
    registry.connect(registry.register("lost"))
    registry.store.nodes.declare_dead(node.id, node.renewals, registry.now)
    output = run("list", "--all").stdout
    assert "  offline  never_connected  " in output
    assert "  offline  node_lost        " in output


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["north", "south"]),
        (("--all",), ["north", "south", "west", "east"]),
        (("--state", "online"), ["north", "south"]),
        (("--state", "offline"), ["west"]),
        (("--state", "disabled"), ["east"]),
        (("--kind", "price"), ["south"]),
        (("--tag", "pilot"), ["north"]),
        (("--name", "OUT"), ["south"]),
        (("--kind", "load", "--all"), ["north", "west"]),
        (("--kind", "no such"), []),
    ],
)
def test_list_keeps_what_matches_every_filter(
    registry: Registry,
    run_json: Callable[..., Any],
    options: tuple[str, ...],
    expected: list[str],
) -> None:
    registry.enrol()
    registry.connect(registry.register("north", mission_kind="load", tags=("pilot",)))
    registry.connect(registry.register("south", mission_kind="price"))
    registry.register("west", mission_kind="load", tags=("pilot",))
    disabled = registry.register("east")
    set_enabled(registry.store, disabled.module_hash, registry.now, ACTOR, enabled=False)
    assert names(run_json("list", *options)) == expected


def test_a_module_without_a_recent_heartbeat_is_suspect(
    registry: Registry, run_json: Callable
) -> None:
    registry.enrol()
    registry.now -= timedelta(minutes=5)
    registry.connect(registry.register())
    (item,) = run_json("list", "--state", "suspect")
    assert (item["state"], item["alive"]) == ("suspect", True)


def test_list_json_has_the_public_form_with_times_in_utc(
    registry: Registry, run_json: Callable[..., Any]
) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    (item,) = run_json("list")
    assert item["module_hash"] == module.module_hash
    assert item["state_since"].endswith("Z")
    assert {"missionKind", "dataRequirement", "session_id", "last_alive_time"} <= item.keys()


def test_list_json_of_nobody_is_an_empty_list(run_json: Callable[..., Any]) -> None:
    assert run_json("list") == []


def test_a_piped_list_is_not_cut(registry: Registry, run: Run) -> None:
    registry.enrol()
    name = "n" * 100
    registry.connect(registry.register(name))
    assert name in run("list").stdout


def test_names_cannot_send_escapes_to_the_terminal(registry: Registry, run: Run) -> None:
    registry.register("evil\x1b[2Jname")
    output = run("list", "--all").stdout
    assert "\x1b" not in output
    assert "evil\N{REPLACEMENT CHARACTER}[2Jname" in output


def test_chinese_names_keep_the_columns_aligned(registry: Registry, run: Run) -> None:
    registry.register("负荷预测")
    registry.register("load-ab8")
    _, first, second = run("list", "--all").stdout.splitlines()
    assert "  负荷预测  -  " in first
    assert "  load-ab8  -  " in second


def test_list_says_why_a_module_is_disabled(registry: Registry, run: Run, run_json: Any) -> None:
    module = registry.register()
    words = {"enabled": False, "because": "new model"}
    set_enabled(registry.store, module.module_hash, registry.now, ACTOR, **words)
    assert "  disabled  new model  " in run("list", "--all").stdout
    (item,) = run_json("list", "--state", "disabled")
    assert (item["enabled"], item["disabled"]["actor"]) == (False, ACTOR)


def test_show_says_who_disabled_a_module_and_why(registry: Registry, run: Run) -> None:
    module = registry.register()
    words = {"enabled": False, "because": "new model"}
    set_enabled(registry.store, module.module_hash, registry.now, ACTOR, **words)
    assert ": alice disabled the module: new model\n" in run("show", "1").stdout


def test_the_states_are_summed_up_below_the_list(registry: Registry, run: Run) -> None:
    registry.enrol()
    for name in ("north", "south"):
        registry.connect(registry.register(name))
    registry.register("west")
    disabled = registry.register("east")
    set_enabled(registry.store, disabled.module_hash, registry.now, ACTOR, enabled=False)
    assert run("list", "--all").stderr == "2 online, 1 offline, 1 disabled.\n"
    assert run("list").stderr == "2 online (--all lists 2 more).\n"
    assert run("list", "--name", "th").stderr == "2 online.\n"
    assert run("list", "--limit", "1").stderr.endswith("; the first 1 are shown.\n")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("name", ["east", "North", "south"]),
        ("-name", ["south", "North", "east"]),
        ("state", ["south", "North", "east"]),
        ("since", ["east", "North", "south"]),
    ],
)
def test_a_list_is_sorted(
    registry: Registry, run_json: Callable[..., Any], order: str, expected: list[str]
) -> None:
    registry.now -= timedelta(hours=1)
    registry.enrol(lease_seconds=7200)
    disabled = registry.register("east")
    set_enabled(registry.store, disabled.module_hash, registry.now, ACTOR, enabled=False)
    registry.now += timedelta(minutes=30)
    registry.register("North")
    registry.now += timedelta(minutes=30)
    registry.connect(registry.register("south"))
    assert names(run_json("list", "--all", "--sort", order)) == expected
    assert names(run_json("list", "--all", "--sort", order, "--limit", "2")) == expected[:2]


def test_an_unknown_order_names_those_that_there_are(run: Run) -> None:
    result = run("list", "--sort", "age")
    assert result.exit_code == 2
    assert "'age' is none of: id, name, kind, state, since" in result.stderr


def test_watch_refuses_to_draw_into_a_pipe(run: Run) -> None:
    result = run("list", "--watch")
    assert result.exit_code == 2
    assert "terminal" in result.stderr


def test_show_prints_every_field(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register(data_requirement=[{"table_kind": "power"}]))
    output = run("show", module.module_hash).stdout
    assert module.module_hash in output
    assert '[{"table_kind":"power"}]' in output
    assert module.session.id in output


def test_show_tells_how_the_module_did_lately(
    registry: Registry, run: Run, run_json: Callable[..., Any]
) -> None:
    module = registry.register()
    result = make_result(
        module_hash=module.module_hash,
        at=registry.now,
        sent_at=registry.now - timedelta(seconds=3),
    )
    registry.store.results.insert([result])
    lines = run("show", module.module_hash).stdout.splitlines()
    assert "last 24 h            1 of 1 succeeded, p50 3 s, p95 3 s" in lines
    assert run_json("show", module.module_hash)["figures"]["7d"]["succeeded"] == 1


def test_show_tells_how_the_last_session_ended(registry: Registry, run: Run) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    said = {"close_code": 1000, "bye_reason": "maintenance"}
    end = SessionEnd(
        module_hash=module.module_hash,
        session_id=module.session.id,
        epoch=module.epoch,
        reason=OfflineReason.BYE,
        at=registry.now,
        detail=said,
    )
    registry.write(ends=(end,))
    (line,) = [
        line for line in run("show", module.module_hash).stdout.splitlines() if "_detail" in line
    ]
    assert line.split() == ["offline_detail", '{"close_code":1000,"bye_reason":"maintenance"}']


def test_show_takes_the_beginning_of_a_hash(
    registry: Registry, run_json: Callable[..., Any]
) -> None:
    module = registry.register()
    registry.register("another")
    assert run_json("show", module.module_hash[:8].upper())["name"] == module.name


def test_show_takes_a_name_and_a_number(registry: Registry, run_json: Callable[..., Any]) -> None:
    registry.register("another")
    module = registry.register("load-72h")
    for reference in ("load-72h", "2"):
        assert run_json("show", reference)["module_hash"] == module.module_hash


def test_an_unknown_module_is_one_sentence_with_what_looks_alike(
    registry: Registry, run: Run
) -> None:
    registry.register("load-72h")
    result = run("show", "load-72")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: No module has the name, the module_id or the hash 'load-72'. Near it: load-72h.\n"
    )


def test_an_ambiguous_name_lists_the_modules(registry: Registry, run: Run) -> None:
    modules = [registry.register("load", mission_kind=kind) for kind in ("day", "week")]
    result = run("show", "load")
    assert result.exit_code == 1
    for module in modules:
        assert f"module_id {module.module_id}  {module.module_hash[:12]}  load" in result.stderr


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_names_no_module(run: Run, text: str) -> None:
    result = run("show", text)
    assert result.exit_code == 2
    assert "by its name, its module_id or its hash" in result.stderr


def test_the_shell_completes_names(registry: Registry, settings: Settings, store: Store) -> None:
    for name in ("load-72h", "Load-96h", "price"):
        registry.register(name)
    context = click.Context(show, obj=Platform(settings, store))
    offered = [item.value for item in MODULE.shell_complete(context, show.params[0], "lo")]
    assert offered == ["Load-96h", "load-72h"]


def complete(settings: Settings, store: Store, parameter: click.ParamType, begun: str) -> list[str]:
    context = click.Context(show, obj=Platform(settings, store))
    return [item.value for item in parameter.shell_complete(context, show.params[0], begun)]


def test_the_shell_completes_numbers_and_hashes_of_modules(
    registry: Registry, settings: Settings, store: Store
) -> None:
    module = registry.register("load")
    registry.register("price")
    assert complete(settings, store, MODULE, "1") == ["1"]
    assert complete(settings, store, MODULE, module.module_hash[:5]) == [module.module_hash]


def test_the_shell_completes_kinds_tags_and_ids_of_work(
    registry: Registry, settings: Settings, store: Store
) -> None:
    registry.register("load", mission_kind="day-ahead", tags=("pilot",))
    store.messages.add([make_message(id="m-1", created_at=registry.now)])
    store.executions.insert([make_execution(due_at=registry.now)])
    assert complete(settings, store, KIND, "d") == ["day-ahead"]
    assert complete(settings, store, TAG, "") == ["pilot"]
    assert complete(settings, store, MODULE_NAME, "l") == ["load"]
    assert complete(settings, store, MESSAGE, "m") == ["m-1"]
    (execution,) = complete(settings, store, EXECUTION, "")
    assert complete(settings, store, EXPLAINED, execution[:4]) == [execution]


def test_the_shell_completes_nothing_without_a_database(settings: Settings) -> None:
    nowhere = replace(settings, mongodb_host=f"127.0.0.1:{free_port()}")
    context = click.Context(show, obj=Platform(nowhere))
    assert MODULE.shell_complete(context, show.params[0], "lo") == []


def test_every_command_has_a_help_page(run: Run) -> None:
    for command in cli.list_commands(None):
        result = run(command, "-h")
        assert result.exit_code == 0, command
        assert "Usage: " in result.stdout

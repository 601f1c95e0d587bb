"""What operators do to modules: the stored state, the command to the node, the event."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.actor import MODULE, user
from shared.domain.closing import (
    CLOSED,
    DISABLED,
    EXPIRED,
    REPLACED,
    UNKNOWN_MODULE,
    Closing,
    OfflineReason,
)
from shared.domain.disabling import Disabling
from shared.domain.event import module_subject, went_offline
from shared.domain.ids import ModuleHash, NodeId, SessionId
from shared.domain.module import Module
from shared.domain.node_command import NodeCommand
from shared.errors import Conflict, NotFound
from shared.services.module_admin import (
    close_module,
    delete_module,
    expire_modules,
    find_connected,
    set_enabled,
)
from shared.store import Store
from tests.support.builders import ACTOR, NODE
from tests.support.registry import Registry

OTHER_NODE = NodeId("host-b:10090:1")
BOB = user("bob")


def commands_of(store: Store, node: NodeId = NODE) -> list[tuple[SessionId, Closing]]:
    return [(command.session, command.closing) for command in store.node_commands.read(node)]


def test_connected_modules_are_living_or_stale_by_their_nodes_leases(registry: Registry) -> None:
    registry.enrol()
    registry.enrol(OTHER_NODE, lease_seconds=-10)
    living = registry.connect(registry.register("living"))
    stale = registry.connect(registry.register("stale"), node=OTHER_NODE)
    registry.register("offline")
    connected = find_connected(registry.store, registry.now)
    assert connected.living == (living,)
    assert connected.stale == (stale,)


def test_one_module_alone_is_looked_at(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    registry.connect(registry.register("another"))
    connected = find_connected(registry.store, registry.now, module.module_hash)
    assert connected.living == (module,)


def test_an_unknown_hash_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound, match="No module has the hash"):
        find_connected(registry.store, registry.now, "0" * 64)


def test_expiring_ends_the_session_commands_the_socket_closed_and_says_why(
    registry: Registry,
) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    other = registry.connect(registry.register("another"))
    later = registry.now + timedelta(seconds=5)
    assert expire_modules(registry.store, [module], later, ACTOR) == 1
    stored = registry.read(module)
    assert stored.session is None
    assert stored.state_since == later
    assert stored.offline_reason is OfflineReason.EXPIRED_BY_OPERATOR
    assert commands_of(registry.store) == [(module.session.id, EXPIRED)]
    assert registry.happened(module)[-1] == ("offline", "expired_by_operator")
    assert registry.read(other) == other


def test_an_expired_socket_cannot_be_bound_again_by_its_node(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    expire_modules(registry.store, [module], registry.now, ACTOR)
    assert registry.read(module).epoch > module.epoch


def test_more_modules_than_a_slice_are_all_expired(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.services.module_admin.EXPIRE_SLICE", 2)
    registry.enrol()
    modules = [registry.connect(registry.register(f"module-{n}")) for n in range(5)]
    assert expire_modules(registry.store, modules, registry.now, ACTOR) == 5
    assert registry.store.modules.connected() == []
    assert len(commands_of(registry.store)) == 5


def test_a_module_that_reconnected_meanwhile_is_not_expired(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    reconnected = registry.connect(module)
    assert expire_modules(registry.store, [module], registry.now, ACTOR) == 0
    assert registry.read(module) == reconnected


def test_no_command_is_written_that_no_node_would_read(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    registry.store.nodes.remove(NODE)
    assert expire_modules(registry.store, [module], registry.now, ACTOR) == 1
    assert commands_of(registry.store) == []


def test_a_module_is_closed_for_its_own_reason(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    close_module(registry.store, module, registry.now, ACTOR)
    assert registry.read(module).offline_reason is OfflineReason.CLOSED_BY_OPERATOR
    assert commands_of(registry.store) == [(module.session.id, CLOSED)]


def test_a_command_names_its_operator(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    close_module(registry.store, module, registry.now, ACTOR)
    assert [command.actor for command in registry.store.node_commands.read(NODE)] == [ACTOR]


def test_a_module_that_is_not_connected_cannot_be_closed(registry: Registry) -> None:
    with pytest.raises(NotFound, match="is not online"):
        close_module(registry.store, registry.register(), registry.now, ACTOR)


def test_a_module_whose_node_is_gone_cannot_be_closed(registry: Registry) -> None:
    registry.enrol(lease_seconds=-10)
    module = registry.connect(registry.register())
    with pytest.raises(NotFound, match="is not online"):
        close_module(registry.store, module, registry.now, ACTOR)


def test_a_module_that_just_reconnected_is_a_conflict_and_stays(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    reconnected = registry.connect(module)
    with pytest.raises(Conflict, match="just reconnected"):
        close_module(registry.store, module, registry.now, ACTOR)
    assert registry.read(module) == reconnected


def test_disabling_closes_the_socket_and_keeps_the_module_away(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    assert set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=False)
    stored = registry.read(module)
    assert (stored.enabled, stored.session) == (False, None)
    assert stored.offline_reason is OfflineReason.DISABLED
    assert commands_of(registry.store) == [
        (module.session.id, replace(DISABLED, text="alice disabled the module"))
    ]
    (outcome,) = registry.write(registry.claim(module))
    assert outcome.decision == "disabled"


def test_the_reason_for_disabling_is_kept_and_told(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    disable(registry.store, module, registry.now, because="new model")
    assert registry.read(module).disabling == Disabling(
        at=registry.now, actor=ACTOR, because="new model"
    )
    ((_, closing),) = commands_of(registry.store)
    assert (closing.code, closing.text) == (4523, "alice disabled the module: new model")
    assert registry.read(module).offline_detail == {
        "close_code": 4523,
        "close_text": "alice disabled the module: new model",
    }
    (event,) = [e for e in registry.store.events.find() if e.what == "disabled"]
    assert event.detail == {"because": "new model"}
    (outcome,) = registry.write(registry.claim(module))
    assert outcome.disabling == registry.read(module).disabling


def test_disabling_again_finishes_what_a_kill_left_undone(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    store, now = registry.store, registry.now
    killed = Disabling(at=now, actor=BOB, because="new model")
    store.modules.set_enabled(module.module_hash, now, enabled=False, disabling=killed)
    later = now + timedelta(minutes=1)
    assert not set_enabled(store, module.module_hash, later, ACTOR, enabled=False)
    assert registry.read(module).session is None
    told = [(e.what, e.actor) for e in store.events.find() if e.reason in ("operator", "disabled")]
    assert told == [("disabled", BOB), ("offline", BOB)]
    disable(store, module, later)
    assert [e.what for e in store.events.find()].count("disabled") == 1


def test_a_disabled_module_can_be_given_another_reason(registry: Registry) -> None:
    module = registry.register()
    store, later = registry.store, registry.now + timedelta(minutes=1)
    disable(store, module, registry.now, because="new model")
    again = {"enabled": False, "because": "new data"}
    assert set_enabled(store, module.module_hash, later, BOB, **again)
    assert not set_enabled(store, module.module_hash, later, ACTOR, **again)
    assert registry.read(module).disabling == Disabling(at=later, actor=BOB, because="new data")


def test_an_enabled_module_has_no_reason(registry: Registry) -> None:
    module = registry.register()
    disable(registry.store, module, registry.now, because="new model")
    set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=True)
    assert registry.read(module).disabling is None


def test_disabling_finds_a_session_that_began_at_the_last_moment(registry: Registry) -> None:
    """A connect that lands just before the module is disabled must not stay."""
    registry.enrol()
    module = registry.register()
    store = registry.store
    disable = store.modules.set_enabled

    def connect_first(*args: object, **options: object) -> bool:
        registry.connect(module)
        return disable(*args, **options)

    store.modules.set_enabled = connect_first
    set_enabled(store, module.module_hash, registry.now, ACTOR, enabled=False)
    assert registry.read(module).session is None


def test_disabling_twice_changes_nothing(registry: Registry) -> None:
    module = registry.register()
    assert set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=False)
    history = registry.happened(module)
    assert not set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=False)
    assert registry.happened(module) == history


def test_enabling_lets_the_module_connect_again(registry: Registry) -> None:
    registry.enrol()
    module = registry.register()
    set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=False)
    assert set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=True)
    assert registry.connect(module).session is not None
    assert ("enabled", "operator") in registry.happened(module)


def test_an_unknown_module_cannot_be_enabled(registry: Registry) -> None:
    with pytest.raises(NotFound):
        set_enabled(registry.store, "0" * 64, registry.now, ACTOR, enabled=True)


def test_a_deleted_module_is_gone_with_its_heartbeat_and_its_history_stays(
    registry: Registry,
) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    delete_module(registry.store, module.module_hash, registry.now, ACTOR)
    assert registry.store.modules.get(module.module_hash) is None
    assert registry.store.heartbeats.get(module.module_hash).heartbeat_at is None
    assert commands_of(registry.store) == [(module.session.id, UNKNOWN_MODULE)]


def test_a_deletion_is_one_event_and_the_end_of_the_session(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    delete_module(registry.store, module.module_hash, registry.now, ACTOR)
    assert registry.happened(module)[-2:] == [("online", None), ("deleted", "operator")]
    (event,) = [e for e in registry.store.events.find() if e.what == "deleted"]
    assert (event.actor, event.epoch) == (ACTOR, module.epoch)
    assert event.detail["name"] == module.name


def test_the_deletion_of_an_offline_module_is_one_event(registry: Registry) -> None:
    module = registry.register()
    delete_module(registry.store, module.module_hash, registry.now, ACTOR)
    assert registry.happened(module) == [("registered", None), ("deleted", "operator")]


def test_a_deletion_is_told_when_a_node_ended_the_session_first(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    lost = went_offline(
        module.module_hash, module.epoch, registry.now, OfflineReason.CONNECTION_LOST
    )
    registry.store.events.record([lost])
    delete_module(registry.store, module.module_hash, registry.now, ACTOR)
    told = registry.happened(module)
    assert told.count(("offline", "connection_lost")) == told.count(("deleted", "operator")) == 1


def test_deleting_an_unknown_module_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound):
        delete_module(registry.store, "0" * 64, registry.now, ACTOR)


def test_the_history_of_a_module_goes_on_after_it_was_deleted_and_registered_again(
    registry: Registry,
) -> None:
    registry.enrol()
    first = registry.connect(registry.register())
    delete_module(registry.store, first.module_hash, registry.now, ACTOR)
    registry.now += timedelta(minutes=1)
    registry.connect(registry.register())
    online = [what for what, _ in registry.happened(first)].count("online")
    assert online == 2


def disable(store: Store, module: Module, now: datetime, because: str = "") -> None:
    set_enabled(store, module.module_hash, now, ACTOR, enabled=False, because=because)


def disable_and_enable(store: Store, module: Module, now: datetime) -> None:
    disable(store, module, now)
    set_enabled(store, module.module_hash, now, BOB, enabled=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s, m, now: expire_modules(s, [m], now, ACTOR), {("offline", ACTOR)}),
        (lambda s, m, now: close_module(s, m, now, ACTOR), {("offline", ACTOR)}),
        (disable, {("disabled", ACTOR), ("offline", ACTOR)}),
        (disable_and_enable, {("disabled", ACTOR), ("offline", ACTOR), ("enabled", BOB)}),
        (
            lambda s, m, now: delete_module(s, m.module_hash, now, ACTOR),
            {("deleted", ACTOR)},
        ),
    ],
    ids=["expire", "close", "disable", "enable", "delete"],
)
def test_events_name_the_operator_of_the_change(
    registry: Registry, change: Callable[..., object], told: set[tuple[str, str]]
) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    change(registry.store, module, registry.now)
    events = registry.store.events.find(subject=module_subject(module.module_hash))
    assert {(e.what, e.actor) for e in events if e.actor in (ACTOR, BOB)} == told
    assert {e.actor for e in events if e.what in ("registered", "online")} == {MODULE}


@pytest.mark.parametrize("change", ["expire", "disable", "delete"])
def test_every_change_is_told_to_the_readers_of_listings(registry: Registry, change: str) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    before, _ = registry.store.counters.read()
    if change == "expire":
        expire_modules(registry.store, [module], registry.now, ACTOR)
    elif change == "disable":
        set_enabled(registry.store, module.module_hash, registry.now, ACTOR, enabled=False)
    else:
        delete_module(registry.store, module.module_hash, registry.now, ACTOR)
    after, _ = registry.store.counters.read()
    assert after > before


def test_a_command_that_was_written_first_stands(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    registry.store.node_commands.insert(
        [
            NodeCommand(
                session=module.session.id,
                node=NODE,
                module_hash=module.module_hash,
                created_at=registry.now,
                closing=REPLACED,
            )
        ]
    )
    expire_modules(registry.store, [module], registry.now, ACTOR)
    assert [closing for _, closing in commands_of(registry.store)] == [REPLACED]


def test_a_session_that_begins_while_its_module_is_deleted_ends_too(registry: Registry) -> None:
    registry.enrol()
    module = registry.connect(registry.register())
    note = registry.store.deleted_modules.note

    def connect_first(module_hash: ModuleHash, epoch: int) -> None:
        registry.store.deleted_modules.note = note
        registry.connect(module)
        note(module_hash, epoch)

    registry.store.deleted_modules.note = connect_first
    delete_module(registry.store, module.module_hash, registry.now, ACTOR)
    assert registry.store.modules.get(module.module_hash) is None
    assert [what for what, _ in registry.happened(module)].count("deleted") == 2
    last = max(event.epoch for event in registry.store.events.find())
    assert registry.store.deleted_modules.epochs([module.module_hash]) == {
        module.module_hash: last + 1  # the end raised it
    }

"""Operators end sessions while nodes do the same: what is closed is called closed."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.closing import CLOSED, EXPIRED, Closing, OfflineReason
from shared.domain.module import Module
from shared.domain.session import SessionEnd
from shared.errors import NotFound
from shared.services.module_admin import close_module, expire_modules
from tests.support.builders import ACTOR
from tests.support.registry import Registry


@pytest.fixture(autouse=True)
def enrolled(registry: Registry) -> None:
    registry.enrol()


def do_between_the_writes(registry: Registry, act: Callable[[], Any]) -> None:
    """Have something happen just after the commands of an operator were written."""
    insert = registry.store.node_commands.insert

    def insert_and_act(commands: Any) -> None:
        insert(commands)
        registry.store.node_commands.insert = insert
        act()

    registry.store.node_commands.insert = insert_and_act


def end_as_node(registry: Registry, module: Module, reason: OfflineReason) -> None:
    """End a session as its node does."""
    end = SessionEnd(
        module_hash=module.module_hash,
        session_id=module.session.id,
        epoch=module.epoch,
        reason=reason,
        at=registry.now,
    )
    registry.write(ends=(end,))


def carry_out(registry: Registry, module: Module, closing: Closing) -> Callable[[], Any]:
    return lambda: end_as_node(registry, module, closing.reason)


def test_a_module_that_its_node_closed_first_is_closed(registry: Registry) -> None:
    module = registry.connect(registry.register())
    do_between_the_writes(registry, carry_out(registry, module, CLOSED))
    close_module(registry.store, module, registry.now, ACTOR)
    assert registry.read(module).session is None
    assert registry.happened(module)[-1] == ("offline", "closed_by_operator")


def test_a_module_that_its_node_closed_first_may_be_back_already(registry: Registry) -> None:
    module = registry.connect(registry.register())

    def close_and_come_back() -> None:
        end_as_node(registry, module, CLOSED.reason)
        registry.connect(module)

    do_between_the_writes(registry, close_and_come_back)
    close_module(registry.store, module, registry.now, ACTOR)
    assert [what for what, _ in registry.happened(module)][-2:] == ["offline", "online"]


def test_a_module_that_left_by_itself_is_not_online(registry: Registry) -> None:
    module = registry.connect(registry.register())
    do_between_the_writes(registry, lambda: end_as_node(registry, module, OfflineReason.BYE))
    with pytest.raises(NotFound, match="is not online"):
        close_module(registry.store, module, registry.now, ACTOR)


def test_expired_modules_are_counted_whichever_process_wrote_their_ends(
    registry: Registry,
) -> None:
    modules = [registry.connect(registry.register(f"module-{n}")) for n in range(4)]

    def some_go() -> None:
        end_as_node(registry, modules[0], EXPIRED.reason)
        end_as_node(registry, modules[1], EXPIRED.reason)
        registry.connect(modules[1])
        end_as_node(registry, modules[2], OfflineReason.BYE)

    do_between_the_writes(registry, some_go)
    assert expire_modules(registry.store, modules, registry.now, ACTOR) == 3

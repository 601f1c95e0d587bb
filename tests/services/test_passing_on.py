"""Work that a module could not do goes to the next one, once, while it is useful."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.ids import ExecutionId, MessageId
from shared.domain.message import Message, MessageStatus
from shared.domain.module import Module
from shared.domain.result import ResultStatus
from shared.services.ending import end_messages
from tests.support.builders import NODE, make_message, make_result
from tests.support.registry import Registry

NEXT = MessageId("message-1~2")


@pytest.fixture
def modules(registry: Registry) -> list[Module]:
    registry.enrol()
    return [registry.register(name) for name in ("first", "second", "third")]


def send(registry: Registry, modules: list[Module], **overrides: Any) -> Message:
    first, *others = [module.module_hash for module in modules]
    values: dict[str, Any] = {"status": MessageStatus.ACKED, "fallback": tuple(others)}
    message = make_message(module_hash=first, **values | overrides)
    registry.store.messages.insert([message])
    return message


def end(registry: Registry, message: Message, status: ResultStatus) -> Message | None:
    """End a message; return the one that follows it."""
    result = make_result(
        message_id=message.id,
        module_hash=message.module_hash,
        status=status,
        execution_id=message.execution_id,
    )
    end_messages(registry.store, [result], registry.now)
    ended = registry.store.messages.get(message.id)
    assert ended is not None
    assert ended.status is status.message_status
    return registry.store.messages.get(NEXT)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (ResultStatus.FAILURE, "failed"),
        (ResultStatus.TIMED_OUT, "did not answer in time"),
        (ResultStatus.DEAD, "never acknowledged it"),
    ],
)
def test_the_next_module_gets_what_one_could_not_do(
    registry: Registry, modules: list[Module], status: ResultStatus, why: str
) -> None:
    message = send(registry, modules, attempt=2, sent_at=registry.now, push="p")
    following = end(registry, message, status)
    assert following is not None
    assert (following.module_hash, following.fallback, following.retry_of) == (
        modules[1].module_hash,
        (modules[2].module_hash,),
        message.id,
    )
    assert (following.status, following.attempt, following.sent_at, following.push) == (
        MessageStatus.QUEUED,
        0,
        None,
        None,
    )
    assert (following.content, following.useful_until) == (message.content, message.useful_until)
    assert following.chosen_because == f"fallback of 'first', which {why}"


def test_one_that_is_connected_goes_before_one_that_is_not(
    registry: Registry, modules: list[Module]
) -> None:
    registry.connect(modules[2])
    following = end(registry, send(registry, modules), ResultStatus.FAILURE)
    assert following is not None
    assert (following.module_hash, following.node) == (modules[2].module_hash, NODE)
    assert following.fallback == (modules[1].module_hash,)


@pytest.mark.parametrize(
    "status", [ResultStatus.SUCCESS, ResultStatus.CANCELLED, ResultStatus.EXPIRED]
)
def test_other_ends_are_ends(
    registry: Registry, modules: list[Module], status: ResultStatus
) -> None:
    assert end(registry, send(registry, modules), status) is None


def test_what_is_not_useful_any_more_is_not_passed_on(
    registry: Registry, modules: list[Module]
) -> None:
    message = send(registry, modules)
    registry.now += timedelta(hours=3)
    assert end(registry, message, ResultStatus.FAILURE) is None


def test_a_step_of_a_workflow_is_its_executions_own(
    registry: Registry, modules: list[Module]
) -> None:
    message = send(registry, modules, execution_id=ExecutionId("1-2"))
    assert end(registry, message, ResultStatus.FAILURE) is None


def test_without_a_module_that_is_left_it_ends(registry: Registry, modules: list[Module]) -> None:
    for module in modules[1:]:
        registry.store.modules.set_enabled(module.module_hash, registry.now, enabled=False)
    assert end(registry, send(registry, modules), ResultStatus.FAILURE) is None


def test_a_kill_before_the_message_is_ended_passes_it_on_once(
    registry: Registry, modules: list[Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = send(registry, modules)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(registry.store.deliveries, "finish", die)
        end(registry, message, ResultStatus.FAILURE)
    following = end(registry, message, ResultStatus.FAILURE)
    assert following is not None
    assert registry.store.messages.count_open(modules[1].module_hash) == 1


def test_a_late_result_passes_nothing_on(registry: Registry, modules: list[Module]) -> None:
    message = send(registry, modules)
    end(registry, message, ResultStatus.SUCCESS)
    late = make_result(module_hash=message.module_hash, status=ResultStatus.FAILURE)
    end_messages(registry.store, [late], registry.now)
    assert registry.store.messages.get(NEXT) is None

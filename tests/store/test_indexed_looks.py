"""What is asked often, of collections that grow, is found by an index on the embedded server, too."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from shared.domain.ids import ModuleHash
from shared.domain.message import OPEN, MessageStatus
from shared.settings import Settings
from shared.store import Store, connect
from tests.support.builders import NODE, NOON
from tests.support.command_log import CommandLog

MODULES = [ModuleHash(f"{number:064x}") for number in range(100)]
SINCE = NOON - timedelta(seconds=5)
LOOKS: dict[str, Callable[[Store], object]] = {
    "what was queued for a node lately": lambda s: s.deliveries.queued_lately(NODE, SINCE),
    "the queue of a module": lambda s: s.deliveries.queued_for(MODULES[:1]),
    "the queues of many modules": lambda s: s.deliveries.queued_for(MODULES),
    "what is to be cancelled": lambda s: s.deliveries.to_be_cancelled(NOON),
    "what a node has sent": lambda s: s.deliveries.sent_by(NODE, 10),
    "what nodes had that are gone": lambda s: s.deliveries.of_nodes_not_among([NODE], 10),
    "how long a queue is": lambda s: s.messages.count(MODULES[0], MessageStatus.QUEUED, 10),
    "what a module has to do": lambda s: s.messages.open_of(MODULES[0]),
    "a module's newest messages": lambda s: list(s.messages.newest(MODULES[0], NOON)),
    "what is overdue": lambda s: s.message_deadlines.overdue(NOON, 10),
    "what comes next of what is open": lambda s: s.message_deadlines.after(OPEN, NOON, 10),
    "old messages": lambda s: s.message_deadlines.purge(NOON, 10),
    "old messages without a deadline": lambda s: s.message_deadlines.purge_without_deadline(
        NOON, 10
    ),
    "a module's newest results": lambda s: list(s.results.newest(MODULES[0], NOON)),
    "results of a kind": lambda s: s.results.of_kind_since("load", SINCE),
    "old results": lambda s: s.results.purge(NOON, 10),
    "unfinished executions": lambda s: s.executions.unfinished(),
    "unfinished executions of workflows": lambda s: s.executions.unfinished_of({1, 2}),
    "how executions of workflows went": lambda s: list(s.executions.glance([1, 2], SINCE)),
    "ends that are not noted": lambda s: s.executions.unnoted_ends(10),
    "old executions": lambda s: s.executions.purge(NOON, 10),
    "workflows that are due": lambda s: s.due_workflows.due_numbers(NOON, 10),
    "when a workflow is due": lambda s: s.due_workflows.due_soon(NOON),
}


@pytest.fixture
def commands() -> CommandLog:
    return CommandLog()


@pytest.fixture
def watched(settings: Settings, store: Store, commands: CommandLog) -> Iterator[Store]:
    watched = connect(settings, event_listeners=[commands])
    yield watched
    watched.close()


def filters_in(command: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a command looks for, in its first stage."""
    if "pipeline" in command:
        return [command["pipeline"][0]["$match"]]
    return [command["filter"]] if "filter" in command else []


def is_by_id(looked_for: Mapping[str, Any]) -> bool:
    wanted = looked_for.get("_id", {})
    return "_id" in looked_for and (not isinstance(wanted, Mapping) or "$in" in wanted)


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_reads_a_whole_collection(
    look: str,
    watched: Store,
    commands: CommandLog,
    settings: Settings,
    plain_client: MongoClient[dict[str, Any]],
) -> None:
    LOOKS[look](watched)
    database = plain_client[settings.mongodb_name]
    for command in commands.commands():
        collection = database[next(iter(command.values()))]
        for looked_for in filters_in(command):
            plan = str(collection.find(looked_for).explain()["queryPlanner"]["winningPlan"])
            assert is_by_id(looked_for) or "COLLSCAN" not in plan, looked_for
    assert commands.commands()

"""What fires next, over all workflows."""

from datetime import timedelta
from itertools import islice

from shared.domain.upcoming import upcoming
from tests.support.builders import NOON, make_workflow


def test_firings_come_in_order_and_at_the_same_time_by_number() -> None:
    workflows = [
        make_workflow(workflow_id=2, crons=("*/30 * * * *",)),
        make_workflow(workflow_id=1, crons=("0 * * * *",)),
    ]
    found = list(upcoming(workflows, NOON, NOON + timedelta(hours=1)))
    assert [(due_at - NOON, w.workflow_id) for due_at, w in found] == [
        (timedelta(), 1),
        (timedelta(), 2),
        (timedelta(minutes=30), 2),
    ]


def test_only_as_much_is_computed_as_is_asked_for() -> None:
    forever = upcoming([make_workflow()], NOON, NOON + timedelta(days=100_000))
    assert len(list(islice(forever, 5))) == 5


def test_what_is_not_enabled_does_not_fire() -> None:
    assert not list(upcoming([make_workflow(enabled=False)], NOON, NOON + timedelta(days=9)))

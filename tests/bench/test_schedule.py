"""The workflows that the bench of schedules makes."""

from datetime import timedelta

from bench.schedule import WORKFLOWS, make_workflow, make_workflows
from shared.clock import utc_now
from shared.domain.cron import next_due
from shared.domain.ids import ModuleHash, WorkflowId

HASHES = [ModuleHash("a"), ModuleHash("b")]


def test_the_workflows_rest_for_an_hour_and_share_the_modules() -> None:
    workflows, now = make_workflows(HASHES), utc_now()
    assert [w.workflow_id for w in workflows] == list(range(1, WORKFLOWS + 1))
    assert min(w.next_due_at for w in workflows if w.next_due_at) > now + timedelta(hours=1)
    assert [w.steps[0].module_hash for w in workflows[:3]] == ["a", "b", "a"]


def test_a_workflow_is_due_when_its_cron_line_says_so_to_the_second() -> None:
    due = utc_now().replace(microsecond=0) + timedelta(seconds=100)
    made = make_workflow(WorkflowId(1), HASHES[0], due)
    just_before = due - timedelta(seconds=1)
    assert next_due(made.crons, made.timezone, made.shift, just_before) == due
    assert next_due(made.crons, made.timezone, made.shift, due) == due + timedelta(days=1)

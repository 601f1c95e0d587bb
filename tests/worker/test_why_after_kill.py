"""After `kill -9` of all workers: what was missed is explained, before and after they come back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import utc_now
from shared.domain.execution import ExecutionStatus, MissReason, scheduled_id
from shared.domain.phrases import WallClock
from shared.services.registration import register_module
from shared.services.why_lookup import explain_reference
from shared.services.worker_presence import last_worker_sign
from shared.settings import Settings
from shared.store import Store
from tests.support.builders import make_registration, make_step, make_workflow
from tests.support.eventually import eventually
from tests.support.tampering import set_next_due, set_worker_signs
from tests.support.worker_process import Worker

AWAY = timedelta(minutes=25)


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[list[Worker]]:
    """A worker, and the one that comes after it."""
    made = [Worker(settings, tmp_path) for _ in range(2)]
    yield made
    for worker in made:
        worker.kill()


def sentence(store: Store, *question: str) -> str:
    reference, due = (*question, None)[:2]
    assert reference is not None
    return explain_reference(store, reference, due, utc_now()).explanation.sentence


def test_a_miss_while_all_workers_were_killed_is_explained(
    store: Store, workers: list[Worker]
) -> None:
    first, second = workers
    first.start()
    eventually(lambda: last_worker_sign(store) is not None)
    first.kill()
    # As if that had been 25 minutes ago: it was due twice since then, and is due now.
    now = utc_now().replace(second=0, microsecond=0)
    due = [now - timedelta(minutes=minutes) for minutes in (20, 10, 0)]
    module = register_module(store, make_registration(), now).module
    minutes = ",".join(str(at.minute) for at in sorted(due, key=lambda at: at.minute))
    workflow = make_workflow(
        workflow_id=12,
        crons=(f"{minutes} * * * *",),
        steps=(make_step(module_hash=module.module_hash),),
        timezone="UTC",
        created_at=now - timedelta(days=1),
    )
    store.workflows.insert(workflow)
    set_next_due(store, 12, due[0])
    set_worker_signs(store, now - AWAY)
    assert sentence(store, "load-72h") == told_before(now)
    assert sentence(store, "12", f"{due[1]:%H:%M}") == told_before(now)

    second.start()
    ids = [scheduled_id(12, at) for at in due]
    eventually(lambda: len(store.executions.read(ids)) == len(ids))
    executions = store.executions.read(ids)
    assert [(executions[i].status, executions[i].reason) for i in ids] == [
        (ExecutionStatus.MISSED, MissReason.NO_WORKER),
        (ExecutionStatus.MISSED, MissReason.NO_WORKER),
        (ExecutionStatus.RUNNING, None),
    ]
    told = sentence(store, "12", f"{due[0]:%H:%M}")
    clock = WallClock.of("UTC", due[0])
    assert told.startswith(f"missed: no worker was running between {clock.tell(now - AWAY)} and ")
    assert told.endswith(f"; policy latest_only ran {clock.tell(due[2])} instead")


def told_before(now: datetime) -> str:
    clock = WallClock.of("UTC", now)
    return f"not recorded yet: no worker has run since {clock.tell(now - AWAY)}"

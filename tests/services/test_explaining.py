"""Why: the facts are found in a database that the services have written."""

from datetime import datetime, timedelta

from shared.domain.closing import OfflineReason
from shared.domain.event import worker_subject
from shared.domain.execution import ExecutionStatus, MissReason, StepStatus
from shared.domain.message import EndReason, MessageStatus
from shared.domain.module import Module
from shared.domain.result import ResultStatus, end_of_message
from shared.domain.session import SessionEnd
from shared.services.explaining import explain_execution, explain_message
from shared.services.worker_presence import note_worker
from shared.store import Store
from tests.support.builders import (
    make_execution,
    make_message,
    make_step,
    make_step_run,
    make_step_try,
    make_workflow,
)
from tests.support.registry import Registry

WORKER = worker_subject("host-a", 10083)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def disconnect(registry: Registry, module: Module, at: datetime) -> None:
    session = registry.read(module).session
    assert session is not None
    end = SessionEnd(
        module_hash=module.module_hash,
        session_id=session.id,
        epoch=registry.read(module).epoch,
        reason=OfflineReason.CONNECTION_LOST,
        at=at,
    )
    registry.write(ends=(end,))


def test_a_miss_is_explained_by_the_gap_between_two_workers(store: Store, now: datetime) -> None:
    note_worker(store, WORKER, now - minutes(1))
    note_worker(store, WORKER, now + minutes(11))
    instead = make_execution(due_at=now + minutes(10), status=ExecutionStatus.SUCCEEDED)
    missed = make_execution(
        due_at=now,
        created_at=now + minutes(11),
        status=ExecutionStatus.MISSED,
        reason=MissReason.NO_WORKER,
        detail={"instead": instead.id},
    )
    store.executions.insert([instead, missed])
    told = explain_execution(store, missed, now + minutes(30))
    assert told.sentence == (
        "missed: no worker was running between 19:59 and 20:11; policy latest_only ran 20:10 instead"
    )
    assert told.timezone == "Asia/Shanghai"


def test_an_expired_message_is_explained_by_its_modules_absence_in_its_workflows_zone(
    registry: Registry, store: Store, now: datetime
) -> None:
    store.workflows.insert(make_workflow(workflow_id=7))
    registry.enrol()
    module = registry.connect(registry.register("load-72h"))
    disconnect(registry, module, now + minutes(1))
    sent_at = now + timedelta(days=3)
    message = make_message(
        module_hash=module.module_hash,
        status=MessageStatus.EXPIRED,
        workflow_id=7,
        created_at=sent_at,
        useful_until=sent_at + minutes(10),
        ended_at=sent_at + minutes(10),
    )
    end = message.useful_until
    store.messages.insert([message])
    store.results.insert([end_of_message(message, ResultStatus.EXPIRED, end, EndReason.LIFE_OVER)])
    told = explain_message(store, message, end + minutes(1))
    assert told.sentence == (
        "expired: load-72h was offline all the time since 2026-03-01 20:01 (connection_lost), "
        "longer than the message's life of 10 min (see useful_until)"
    )


def test_a_module_that_connected_long_ago_was_online_throughout(
    registry: Registry, store: Store, now: datetime
) -> None:
    registry.enrol()
    module = registry.connect(registry.register("load-72h"))
    sent_at = now + timedelta(days=3)
    message = make_message(
        module_hash=module.module_hash,
        status=MessageStatus.DEAD,
        created_at=sent_at,
        attempt=3,
        ended_at=sent_at + minutes(1),
    )
    store.results.insert(
        [end_of_message(message, ResultStatus.DEAD, sent_at + minutes(1), EndReason.NO_ACK)]
    )
    disconnect(registry, module, sent_at + timedelta(days=2))
    told = explain_message(store, message, sent_at + timedelta(days=3))
    assert told.sentence == (
        "dead: pushed 3 times to load-72h and never acknowledged; "
        "it was online throughout, its program reads no work"
    )


def test_a_skipped_execution_names_the_one_that_was_still_running(
    store: Store, now: datetime
) -> None:
    before = make_execution(due_at=now - minutes(15), started_at=now - minutes(15))
    skipped = make_execution(due_at=now, status=ExecutionStatus.SKIPPED, reason=MissReason.OVERLAP)
    store.executions.insert([before, skipped])
    told = explain_execution(store, skipped, now)
    assert told.sentence == "skipped: the execution of 19:45 was still running (overlap: skip)"


def test_a_failed_step_is_explained_from_its_message_and_result(
    registry: Registry, store: Store, now: datetime
) -> None:
    registry.enrol()
    module = registry.connect(registry.register("load-72h"))
    message = make_message(
        id="m1",
        module_hash=module.module_hash,
        created_at=now,
        sent_at=now,
        acked_at=now + timedelta(seconds=1),
        attempt=1,
        status=MessageStatus.FAILED,
    )
    store.messages.insert([message])
    a_try = make_step_try(
        message_id="m1",
        module_hash=module.module_hash,
        at=now,
        ended_at=now + timedelta(seconds=13),
        reason=EndReason.MODULE_FAILURE,
        error="no weather data",
    )
    failed = make_execution(
        workflow=make_workflow(steps=(make_step(module_hash=module.module_hash),)),
        due_at=now,
        status=ExecutionStatus.FAILED,
        steps=(
            make_step_run(
                status=StepStatus.FAILED,
                tries=(a_try,),
                reason=EndReason.MODULE_FAILURE,
                error="no weather data",
                ended_at=a_try.ended_at,
            ),
        ),
        ended_at=a_try.ended_at,
    )
    told = explain_execution(store, failed, now + minutes(1))
    assert told.sentence == (
        "failed: the module load-72h answered 'no weather data' after 12 s "
        "(attempt 1; a module's own failure is not retried)"
    )
    assert ("step forecast", "acknowledged by load-72h") in [
        (fact.subject, fact.what) for fact in told.evidence
    ]

"""Run a handler in a unit test, without a platform.

from forecast_module.testing import run_handler

def test_forecast_has_72_values():
    assert len(run_handler(forecast, args={"hours": 72})["values"]) == 72
"""

from __future__ import annotations

import json
from typing import Any

from forecast_module.handlers import Handler, Handlers
from forecast_module.job import Job
from forecast_module.module import Module
from forecast_module.protocol import Work, encode


def make_job(
    args: dict[str, Any] | None = None,
    *,
    windows: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
    message: Any = None,
    execution_time: str = "2026-01-01T00:00:00",
    attempt: int = 1,
    try_number: int = 1,
) -> Job:
    """Return a job as the platform would send it: an execution, unless a message is given."""
    meta = {
        "execution_id": "test",
        "execution_time": execution_time,
        "workflow_id": 1,
        "workflow_name": "test",
        "try": try_number,
        "windows": windows or {},
        "inputs": inputs or {},
    }
    execution = {"type": "execute", "meta": meta, "args": args or {}}
    content = execution if message is None else message
    return Job(Work("test", attempt, json.loads(encode(content))))


def run_handler(
    handler: Handler | Module,
    args: dict[str, Any] | None = None,
    *,
    windows: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
    message: Any = None,
    execution_time: str = "2026-01-01T00:00:00",
) -> Any:
    """Return the result as a consumer will read it; what the handler raises is raised here."""
    job = make_job(
        args, windows=windows, inputs=inputs, message=message, execution_time=execution_time
    )
    if isinstance(handler, Module):
        return json.loads(encode(handler.handlers.call(job)))
    handlers = Handlers()
    handlers.on_execute = handler
    try:
        return json.loads(encode(handlers.call(job)))
    finally:
        handlers.close()

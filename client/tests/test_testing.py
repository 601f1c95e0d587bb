"""An author tests a handler without a platform."""

from __future__ import annotations

import math
from typing import Any

import pytest

from forecast_module import Job, Module
from forecast_module.json_values import NotJson
from forecast_module.testing import run_handler


def forecast(job: Job) -> dict[str, Any]:
    job.progress(50, "halfway")
    assert not job.cancelled
    return {"hours": job.args["hours"], "begin": job.windows["load"]["begin"], "gap": math.nan}


def test_a_handler_returns_what_a_consumer_will_read() -> None:
    result = run_handler(forecast, {"hours": 72}, windows={"load": {"begin": "2026-03-01"}})
    assert result == {"hours": 72, "begin": "2026-03-01", "gap": None}


def test_results_of_other_steps_are_given() -> None:
    assert run_handler(lambda job: sum(job.inputs["weather"]), inputs={"weather": [1, 2]}) == 3


def test_an_asyncio_handler_is_run_to_its_end() -> None:
    async def later(job: Job) -> tuple[int, int]:
        return 1, 2

    assert run_handler(later) == [1, 2]


def test_the_functions_of_a_module_are_found_as_on_the_platform() -> None:
    module = Module("http://nowhere", name="tested")
    module.on_execute(lambda job: "execution")
    module.on_message(lambda job: ["message", job.message])
    assert run_handler(module) == "execution"
    assert run_handler(module, message="words") == ["message", "words"]


def test_what_a_handler_raises_is_raised() -> None:
    with pytest.raises(KeyError, match="hours"):
        run_handler(forecast)


def test_what_has_no_form_in_json_is_raised() -> None:
    with pytest.raises(NotJson, match=r"result\.model"):
        run_handler(lambda job: {"model": object()})


def test_the_time_of_the_execution_can_be_given() -> None:
    hour = run_handler(lambda job: job.execution_time.hour, execution_time="2026-03-01T08:00:00")
    assert hour == 8

"""Run a prediction module on the forecast platform.

from forecast_module import Module

module = Module("http://platform:10080", name="load-72h", mission_kind="load")

@module.on_execute
def forecast(job):
    return {"values": [...]}

if __name__ == "__main__":
    module.run()
"""

from forecast_module.job import Cancelled, Job, RetryLater
from forecast_module.module import Module
from forecast_module.timing import Timing
from forecast_module.version import __version__

__all__ = [
    "Cancelled",
    "Job",
    "Module",
    "RetryLater",
    "Timing",
    "__version__",
]

"""A module as an author writes it, run as a process: URL, state directory, notes, seconds."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

from forecast_module import Job, Module, Timing

url, state_dir, notes, seconds = sys.argv[1:5]
logging.basicConfig(level=logging.INFO)
module = Module(
    url,
    name="program",
    state_dir=state_dir,
    back_within_seconds=60,
    timing=Timing(heartbeat=0.1, longest_pause=0.2, leave=2.0, replaced_pause=0.5),
)


def note(text: str) -> None:
    with Path(notes).open("a") as file:
        file.write(text + "\n")


@module.on_execute
def forecast(job: Job) -> str:
    note(f"started {job.id}")
    time.sleep(float(seconds))
    note(f"ended {job.id}")
    return f"result of {job.id}"


module.run()

"""A whole module on the SDK: registration, heartbeats, work, results, reconnects.

Needs the package in client/: pip install ./client
python examples/forecast_with_sdk.py [name] [http://host:port]
Without an address: FORECAST_PLATFORM, else SERVER_PORT of .env, else http://localhost:10080.
The kind is the name's first word: load-72h forecasts load.
"""

import math
import sys

from command_line import read_command_line

try:
    from forecast_module import Job, Module
except ImportError:
    sys.exit("The package forecast_module is missing: pip install ./client, as the README says.")

REQUIREMENT = [
    {
        "table_kind": "load",
        "table_name": "hourly_load",
        "table_columns": ["time", "megawatt"],
        "time_begin": -24,
        "time_end": 0,
        "time_unit": "h",
    }
]

name, platform = read_command_line()
name = name or "load-72h"
kind = name.partition("-")[0]
module = Module(platform, name=name, mission_kind=kind, data_requirement=REQUIREMENT)


@module.on_execute
def forecast(job: Job) -> dict[str, object]:
    """Return the megawatts of the hours to come; a real model reads `job.windows`, too."""
    hours = int(job.args.get("hours", 24))
    values = []
    for hour in range(hours):
        if job.cancelled:
            break
        values.append(round(1000 + 200 * math.sin(hour * math.pi / 12), 1))
        job.progress(100 * hour / hours, f"hour {hour}")
    return {"unit": "MW", "values": values}


if __name__ == "__main__":
    module.run()

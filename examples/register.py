"""Register an example module and keep its hash in module_hash.txt.

Needs nothing but Python: python examples/register.py [name] [http://host:port]
The address may also come from FORECAST_PLATFORM.
"""

import json
import os
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

PLATFORM = os.environ.get("FORECAST_PLATFORM", "http://localhost:10080")
HASH_FILE = Path("module_hash.txt")
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


def register(name: str, platform: str) -> str:
    """Return the module's hash; registering again gives the same one."""
    query = urlencode(
        {
            "name": name,
            "description": "An example: tomorrow's load",
            "missionKind": "load",
            "dataRequirement": json.dumps(REQUIREMENT),
        }
    )
    with urlopen(f"{platform}/module/register?{query}", timeout=5) as answer:
        module_hash = str(json.load(answer)["result"]["hash"])
    HASH_FILE.write_text(module_hash)
    return module_hash


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "example-load"
    platform = sys.argv[2] if len(sys.argv) > 2 else PLATFORM
    try:
        print(f"{name} is registered: {register(name, platform)} (kept in {HASH_FILE})")
    except HTTPError as error:
        sys.exit(f"{platform} does not register it: {error.read().decode(errors='replace')}")
    except OSError as error:
        sys.exit(
            f"{platform} does not answer ({getattr(error, 'reason', error)}): is the platform up, and is this its port?"
        )

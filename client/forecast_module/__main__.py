"""The package's commands: `python -m forecast_module doctor URL`."""

from __future__ import annotations

import argparse
import os
import sys

from forecast_module.doctor import examine
from forecast_module.version import __version__


def main() -> int:
    """Run the command that was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m forecast_module")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="check the way from this machine to a platform")
    doctor.add_argument(
        "url",
        nargs="?",
        default=os.environ.get("FORECAST_PLATFORM") or "http://localhost:10080",
        help="the platform's address, like http://platform:10080 (default: FORECAST_PLATFORM)",
    )
    doctor.add_argument("--name", help="the test module's name (default: doctor-<host>)")
    given = parser.parse_args()
    return 0 if examine(given.url, given.name) else 1


if __name__ == "__main__":
    sys.exit(main())

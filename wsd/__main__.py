"""Run one wsd process: python -m wsd --index N."""

import argparse
import gc
import logging
import os
import sys

import uvloop

from shared.errors import SettingsError
from shared.logs import configure_logging
from shared.settings import Settings
from wsd.daemon import Daemon

# The default, 700 new objects, is a dozen sockets' worth. What survives is visited again after 50
# such collections: after 10, a storm's handshakes were still under way, and that took 30 us of each.
GARBAGE_THRESHOLDS = (10_000, 50, 10)
# A batch's thread wants the interpreter back after every answer of the database, and waits that long
# each time while thousands of handshakes keep the loop busy. With the default, 5 ms, the first
# batches of a storm took twice as long.
SWITCH_SECONDS = 0.0005

log = logging.getLogger("wsd")


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="wsd", description="The forecast platform's socket daemon"
    )
    parser.add_argument("--index", type=int, default=0, help="adds to WSD_PORT (default 0)")
    index = parser.parse_args().index
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    configure_logging(settings, f"wsd-{index}")
    for warning in settings.warnings:
        log.warning("%s", warning)
    _collect_garbage_seldom()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        uvloop.run(_run(settings, index))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        log.error("cannot listen: %s (the setting WSD_PORT moves it)", error)
        return 1
    return 0


def _collect_garbage_seldom() -> None:
    """Look for garbage less often: a collection visits the objects of all sockets.

    In a storm of connects it took half of the processor time, and stood in the way of heartbeats
    for up to half a second. Closed sockets are not garbage: nothing refers to them any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


async def _run(settings: Settings, index: int) -> None:
    await Daemon(settings, index).run()


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # A thread that waits for a stalled database would hold up the exit for its whole time-out.
    os._exit(code)

"""The log of a program that has not set up logging: plain lines on stderr."""

from __future__ import annotations

import logging

log = logging.getLogger("forecast_module")


def log_plainly() -> None:
    """Show the package's lines on stderr; logging that the program set up is left as it is."""
    if logging.getLogger().handlers or log.handlers:
        return
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)

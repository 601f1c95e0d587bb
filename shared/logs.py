"""Logging: JSON lines on standard output, readable lines on a terminal."""

import logging
import sys

import structlog

from shared.log_queue import QueuedHandler
from shared.settings import Settings


def configure_logging(settings: Settings, program: str) -> None:
    """Send every logger's lines to standard output, each with its time, level and program."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.CallsiteParameterAdder(
            [structlog.processors.CallsiteParameter.PROCESS]
        ),
        _name_program(program),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers()],
    )
    handler = QueuedHandler(sys.stdout.fileno())
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    # A line per handshake and per closed socket says nothing that our own lines do not say.
    for noisy in ("websockets.server", "pymongo", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _renderers() -> list[structlog.typing.Processor]:
    if sys.stdout.isatty():
        return [structlog.dev.ConsoleRenderer()]
    # Without the local variables: they hold what callers sent, and secrets.
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    return [tracebacks, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _name_program(program: str) -> structlog.typing.Processor:
    def add_program(
        _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["program"] = program
        return event

    return add_program

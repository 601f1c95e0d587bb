"""Every error that the platform tells a caller about.

PlatformError
├── InvalidData          3002  400   the request's words are wrong; the sentence names the field
├── NotFound             3003  404   unknown, or not online
├── Conflict             3004  409   the thing is not in a state that allows this
├── Duplicate            3005  409   it exists already
├── QueueFull            3006  429   the module's queue is full (`retry_after_seconds`)
├── Forbidden            4003  403   known, but not allowed
├── TooManyRequests      4029  429   come back later (`retry_after_seconds`)
└── DatabaseUnavailable  5003  503   come back later (`retry_after_seconds`)
SettingsError                        the process does not start: every bad variable, by name
"""

from typing import ClassVar

SUCCESS = "2000"
INTERNAL_ERROR = "3001"


class PlatformError(Exception):
    """An error with a public `code`, an HTTP `status` and a sentence for the caller.

    `problems` are the sentences about the fields of a document, each beside its field's path.
    """

    code: ClassVar[str] = INTERNAL_ERROR
    status: ClassVar[int] = 500
    problems: tuple[tuple[tuple[str | int, ...], str], ...] = ()

    def __init__(self, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class InvalidData(PlatformError):
    """The request's words are wrong."""

    code = "3002"
    status = 400


class NotFound(PlatformError):
    """What was asked for is unknown, or not online."""

    code = "3003"
    status = 404


class Conflict(PlatformError):
    """What was asked for is not in a state that allows this."""

    code = "3004"
    status = 409


class Duplicate(PlatformError):
    """What was to be created exists already."""

    code = "3005"
    status = 409


class QueueFull(PlatformError):
    """The module has as much work waiting as its queue takes; come back later."""

    code = "3006"
    status = 429


class Forbidden(PlatformError):
    """Known, but not allowed."""

    code = "4003"
    status = 403


class TooManyRequests(PlatformError):
    """Come back later."""

    code = "4029"
    status = 429


class DatabaseUnavailable(PlatformError):
    """The database does not answer."""

    code = "5003"
    status = 503

    def __init__(self, message: str = "The database is not available.") -> None:
        super().__init__(message, retry_after_seconds=2)


class SettingsError(Exception):
    """Settings that the platform refuses to start with."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The settings are wrong:\n" + "\n".join(f"  {line}" for line in problems))
        self.problems = problems

"""Which commands a client sends, and which collections it asks, in order."""

from collections.abc import Mapping
from typing import Any

from pymongo.monitoring import CommandListener, CommandStartedEvent


class CommandLog(CommandListener):
    """Notes the commands that a client sends."""

    def __init__(self) -> None:
        self._sent: list[CommandStartedEvent] = []

    def started(self, event: CommandStartedEvent) -> None:
        self._sent.append(event)

    def succeeded(self, event: object) -> None:
        pass

    def failed(self, event: object) -> None:
        pass

    def commands(self) -> list[Mapping[str, Any]]:
        """Return the commands as they were sent."""
        return [event.command for event in self._sent]

    def collections(self) -> list[str]:
        """Return the collection of every command that names one."""
        asked = [event.command.get(event.command_name) for event in self._sent]
        return [name for name in asked if isinstance(name, str)]

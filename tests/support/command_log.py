"""Which collections a client asks, in order."""

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

    def collections(self) -> list[str]:
        """Return the collection of every command that names one."""
        asked = [event.command.get(event.command_name) for event in self._sent]
        return [name for name in asked if isinstance(name, str)]

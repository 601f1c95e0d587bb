"""A group that imports a command's file when the command is called: list must not wait for doctor."""

from importlib import import_module
from typing import Any

import click
import rich_click

from shared.errors import PlatformError, SettingsError


class LazyGroup(rich_click.RichGroup):
    """Commands by name, each given as `module:attribute`; help pages are rich, errors are plain."""

    # A sentence in a box, cut at 80 columns, can neither be searched for nor copied.
    main = click.Group.main

    def __init__(self, *args: Any, lazy_commands: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy_commands = lazy_commands

    def list_commands(self, context: click.Context) -> list[str]:
        """Name every command, in the order of the table."""
        return list(self._lazy_commands)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import the command's file; None for an unknown name."""
        if name not in self._lazy_commands:
            return None
        module, _, attribute = self._lazy_commands[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Refuse what is not UTF-8: no id, name or file that the platform keeps is anything else."""
        for argument in args:
            if not _is_utf8(argument):
                raise click.UsageError(
                    f"The argument {argument!a} is not UTF-8: type it in a UTF-8 terminal.",
                    context,
                )
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        """Run the command; what the services refuse becomes a sentence and exit code 1."""
        try:
            return super().invoke(context)
        except SettingsError as error:
            raise click.ClickException(str(error)) from None
        except PlatformError as error:
            raise click.ClickException(error.message) from None


def _is_utf8(argument: str) -> bool:
    """Return whether an argument is text; Python hides other bytes in surrogates."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True

"""The platformctl group: global options, the settings, the store, and every command."""

from dataclasses import dataclass
from functools import cached_property

import rich_click as click

from cli.config import config
from shared.errors import SettingsError
from shared.settings import Settings


@dataclass(frozen=True)
class Platform:
    """What commands share: the settings, and (opened when first asked for) the store."""

    @cached_property
    def settings(self) -> Settings:
        """Read the settings; a bad one ends the command with exit code 1."""
        try:
            return Settings.from_env()
        except SettingsError as error:
            raise click.ClickException(str(error)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def cli(context: click.Context) -> None:
    """Look after the forecast platform: who is online, what happened, and why."""
    context.obj = Platform()


cli.add_command(config)

if __name__ == "__main__":
    cli(prog_name="platformctl")

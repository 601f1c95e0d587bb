"""The platformctl group: every command, by the file that it is in."""

import rich_click as click

from cli.lazy import LazyGroup
from cli.platform import Platform

COMMANDS = {
    "config": "cli.config:config",
    "init-db": "cli.database:init_db",
}


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Look after the forecast platform: who is online, what happened, and why."""
    context.ensure_object(Platform)


if __name__ == "__main__":
    cli(prog_name="platformctl")

"""The platformctl group: every command, by the file that it is in."""

import os
import sys
from contextlib import suppress
from typing import NoReturn

import rich_click as click

from cli.context import Platform
from cli.lazy_group import LazyGroup
from shared.version import read_version

COMMANDS = {
    "list": "cli.module_list:list_modules",
    "show": "cli.modules:show",
    "send": "cli.send:send",
    "message": "cli.messages:message",
    "results": "cli.results:results",
    "workflow": "cli.workflows:workflow",
    "schedule": "cli.schedule:schedule",
    "execution": "cli.executions:execution",
    "why": "cli.why:why",
    "events": "cli.events:events",
    "close": "cli.module_admin:close",
    "expire": "cli.module_admin:expire",
    "enable": "cli.module_admin:enable",
    "disable": "cli.module_admin:disable",
    "delete": "cli.module_admin:delete",
    "set": "cli.module_setting:set_command",
    "init-db": "cli.database:init_db",
    "doctor": "cli.doctor:doctor",
    "export": "cli.export_import:export_registry",
    "import": "cli.export_import:import_registry",
    "config": "cli.config:config",
    "logs": "cli.logs:logs",
    "completion": "cli.completion:completion",
}


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(read_version(), prog_name="platformctl")
@click.pass_context
def cli(context: click.Context) -> None:
    """Operate the forecast platform: see which modules are online, what happened, and why."""
    context.ensure_object(Platform).is_command = True


def main() -> NoReturn:
    """Run a command, and end the process without waiting for the driver's idle threads.

    They look every half second whether they are still needed, and hold up an ordinary exit.
    """
    code: object = 0
    try:
        cli(prog_name="platformctl")
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader of a pipe has gone
            stream.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()

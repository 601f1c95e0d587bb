"""platformctl doctor: everything that is looked at when something is wrong, one line each."""

from dataclasses import asdict

import rich_click as click

from cli import render
from cli.checks.check import Check, Status, fail, ok, warn
from cli.context import Platform, pass_platform
from cli.options import json_option
from cli.table import Column
from shared.errors import SettingsError

COLUMNS = (Column.state("status"), "check", "found", "what to do")


@click.command()
@json_option
@click.pass_context
@pass_platform
def doctor(platform: Platform, /, context: click.Context, as_json: bool) -> None:
    """Look at everything that must be right, and say what to do about what is not.

    Ends with exit code 1 when anything fails.
    """
    checks = _examine(platform)
    if as_json:
        render.print_json([asdict(check) for check in checks])
    else:
        rows = [(c.status.value, c.name, c.found, c.advice) for c in checks]
        render.print_table(COLUMNS, rows)
    if any(check.status is Status.FAIL for check in checks):
        context.exit(1)


def _examine(platform: Platform) -> list[Check]:
    from cli.checks.database import check_database
    from cli.checks.services import (
        check_disk_space,
        check_nginx_binary,
        check_open_files,
        check_services,
    )

    try:
        settings = platform.settings
    except SettingsError as error:
        return [fail("settings", problem, "correct it in .env") for problem in error.problems]
    return [
        *_check_settings(settings.warnings),
        *check_database(platform),
        check_nginx_binary(),
        *check_services(settings),
        check_open_files(settings),
        check_disk_space(settings),
    ]


def _check_settings(warnings: tuple[str, ...]) -> list[Check]:
    if not warnings:
        return [ok("settings", "all valid")]
    return [warn("settings", warning, "correct it in .env") for warning in warnings]

"""platformctl logs: what every program wrote, in one form and in the order of time."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import rich_click as click

from cli.context import Platform, pass_platform
from cli.parameters import SINCE
from cli.render import wants_colour
from cli.table import printable
from deploy import log_reader
from deploy.log_lines import LogLine

LAST_LINES = 40
LOOK_SECONDS = 0.3
COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}


@click.command()
@click.argument("program", required=False)
@click.option(
    "--since",
    metavar="TIME",
    type=SINCE,
    help="Only since then: 90s, 30m, 2h, 7d, or 2026-11-21T10:00 in local time.",
)
@click.option(
    "-n", "--lines", type=click.IntRange(1), help=f"So many lines (without --since: {LAST_LINES})."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line each.")
@click.option(
    "--directory", type=click.Path(path_type=Path), hidden=True, help="Where the logs lie."
)
@pass_platform
def logs(
    platform: Platform,
    program: str | None,
    since: datetime | None,
    lines: int | None,
    follow: bool,
    as_json: bool,
    directory: Path | None,
) -> None:
    """Show what the programs wrote: all of them, or api, wsd, worker, nginx, database, watchdog …

    Times are UTC. The requests that nginx passed on are shown only for `logs nginx`.
    """
    directory = directory or platform.settings.var_dir / "logs"
    names = log_reader.choose(directory, program)
    if not names:
        raise click.ClickException(_tell_missing(directory, program))
    count = lines or (None if since else LAST_LINES)
    followers = log_reader.Followers(directory, program) if follow else None
    _print(log_reader.read(directory, names, since=since, count=count), as_json)
    try:
        while followers is not None:
            time.sleep(LOOK_SECONDS)
            _print(followers.take(), as_json)
    except KeyboardInterrupt:
        return


def _tell_missing(directory: Path, program: str | None) -> str:
    known = ", ".join(log_reader.programs(directory))
    if not known:
        return f"There are no logs in {directory} yet: ./manage.sh up"
    return f"{program} has no log; there are: {known}."


def _print(lines: Iterable[LogLine], as_json: bool) -> None:
    for line in lines:
        click.echo(_as_json(line) if as_json else _as_text(line))


def _as_json(line: LogLine) -> bytes:
    known = {
        "timestamp": line.at,
        "program": line.program,
        "level": line.level,
        "event": line.event,
    }
    return orjson.dumps({**line.fields, **known}, option=orjson.OPT_UTC_Z)


def _as_text(line: LogLine) -> str:
    at = line.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    level = f"{line.level:<8}"
    if wants_colour():
        level = click.style(level, fg=COLOURS.get(line.level))
    fields = "".join(f"  {name}={_shown(value)}" for name, value in line.fields.items())
    return f"{at}Z {line.program:<12} {level} {printable(line.event)}{printable(fields)}"


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "exc_type" in value[0]:
        return f"{value[0]['exc_type']}: {value[0].get('exc_value', '')}"
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()

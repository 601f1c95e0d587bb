"""platformctl config: the settings as the next start reads them, and what is made of them."""

import shlex
from pathlib import Path

import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.table import Column
from deploy import env_file, ports, process_environment
from shared.environment import env_file_path, exported
from shared.errors import SettingsError
from shared.settings import PROJECT_DIR, Settings, variables

HIGHEST_FIRST_PORT = 65_000
COLUMNS = (Column.whole("setting"), Column.text("value"), Column.whole("from"))


# Said here too: click keeps the help option of whichever context asked first.
@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def config() -> None:
    """Show the settings, and what is made of them."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@pass_platform
def show(platform: Platform, as_json: bool) -> None:
    """Print every setting and where its value comes from, secrets masked.

    The environment wins over .env, and .env over the defaults.
    """
    settings = platform.configured
    values = settings.as_environment()
    if as_json:
        render.print_json(values)
        return
    rows = [(name, text, settings.origins.get(name, "default")) for name, text in values.items()]
    render.print_table(COLUMNS, rows)
    for warning in settings.warnings:
        render.say(f"warning: {warning}")
    platform.tell_differences()


@config.command()
@pass_platform
def env(platform: Platform) -> None:
    """Print what manage.sh and supervisord need, as lines for a shell to evaluate."""
    settings = platform.configured
    files = _open_files(settings)
    for warning in filter(None, [*settings.warnings, files.warning]):
        click.echo(f"warning: {warning}", err=True)
    for name, value in process_environment.environment(settings, files).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@config.command()
@pass_platform
def nginx(platform: Platform) -> None:
    """Print nginx.conf, filled in."""
    settings = platform.configured
    click.echo(process_environment.nginx_conf(settings, _open_files(settings)), nl=False)


@config.command("ports")
@click.option("--beside-running", is_flag=True, help="Those of the running platform count as free.")
@pass_platform
def check_ports(platform: Platform, beside_running: bool) -> None:
    """Check that every port that the platform needs can be opened."""
    running = platform.running if beside_running else None
    ours = {door.port for door in ports.doors(running)} if running else set[int]()
    if obstacles := ports.find_obstacles(platform.configured, ours):
        raise click.ClickException("\n".join(obstacles))


@config.command()
@pass_platform
def differences(platform: Platform) -> None:
    """Print how the settings differ from those of the running platform."""
    for difference in platform.differences():
        click.echo(difference)


@config.command()
@click.option(
    "--port",
    type=click.IntRange(1, HIGHEST_FIRST_PORT),
    help="SERVER_PORT; the other ports move with it, unless they are set elsewhere.",
)
def keep(port: int | None) -> None:
    """Write .env, or what is missing in it, so that the next start finds the same settings."""
    given = exported(variables())
    if port is not None and int(given.get("SERVER_PORT") or port) != port:
        raise click.ClickException(
            f"SERVER_PORT={given['SERVER_PORT']} of this shell wins over .env: unset it first."
        )
    try:
        _keep(env_file_path(), given, port)
    except PermissionError as error:
        raise click.ClickException(
            f"cannot write .env: {error.filename}: {error.strerror}"
        ) from None


def _keep(path: Path, given: dict[str, str], port: int | None) -> None:
    if not path.exists():
        _make_env_file(given)
    elif _lacks_secret_key():
        env_file.change(path, {"SECRET_KEY": env_file.random_key()})
        click.echo("  wrote a random SECRET_KEY into .env")
    if unkept := ", ".join(env_file.missing(path, given)):
        click.echo(f"  only this shell says {unkept}: what is to stay belongs into .env")
    if port is not None:
        moved = {"SERVER_PORT": port} | ports.place_beside(port, Settings.from_env())
        env_file.change(path, {name: str(value) for name, value in moved.items()})
        words = ", ".join(f"{name}={value}" for name, value in moved.items())
        click.echo(f"  wrote into .env: {words}")


def _make_env_file(given: dict[str, str]) -> None:
    """Write what the shell of the first `up` says, too: later shells may not say it."""
    has_key = {"SECRET_KEY", "SECRET_KEY_FILE"} & given.keys()
    values = given if has_key else given | {"SECRET_KEY": env_file.random_key()}
    example = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")
    if env_file.make(env_file_path(), example, values):
        key = "" if has_key else " a random SECRET_KEY,"
        shell = f" {', '.join(given)} of this shell," if given else ""
        click.echo(f"  wrote .env:{key}{shell} every other setting with its default")


def _lacks_secret_key() -> bool:
    try:
        Settings.from_env()
    except SettingsError as error:
        names = {problem.partition(":")[0] for problem in error.problems}
        return "SECRET_KEY" in names and "SECRET_KEY_FILE" not in names
    return False


def _open_files(settings: Settings) -> process_environment.OpenFiles:
    allowed = process_environment.allowed_open_files()
    return process_environment.open_files(settings.max_connections, allowed)

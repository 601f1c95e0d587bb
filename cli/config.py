"""platformctl config: the settings as the platform reads them, and what is made of them."""

import resource
import shlex

import rich_click as click

from cli import launch
from shared.settings import Settings


@click.group()
def config() -> None:
    """Show the settings, and what is made of them."""


@config.command()
@click.pass_obj
def show(platform: "object") -> None:
    """Print every setting, secrets masked."""
    for name, value in _settings_of(platform).as_environment().items():
        click.echo(f"{name}={value}")


@config.command()
@click.pass_obj
def env(platform: "object") -> None:
    """Print what manage.sh and supervisord need, as lines for a shell to evaluate."""
    settings = _settings_of(platform)
    files = _open_files(settings)
    for warning in filter(None, [*settings.warnings, files.warning]):
        click.echo(f"warning: {warning}", err=True)
    for name, value in launch.environment(settings, files).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@config.command()
@click.pass_obj
def nginx(platform: "object") -> None:
    """Print nginx.conf, filled in."""
    settings = _settings_of(platform)
    click.echo(launch.nginx_conf(settings, _open_files(settings)), nl=False)


@config.command()
@click.option("--no-nginx", is_flag=True, help="Leave out the port of nginx.")
@click.pass_obj
def ports(platform: "object", no_nginx: bool) -> None:
    """Check that nobody else holds a port that the platform needs."""
    busy = launch.busy_ports(_settings_of(platform), with_nginx=not no_nginx)
    if busy:
        raise click.ClickException("\n".join(busy))


def _settings_of(platform: object) -> Settings:
    return platform.settings  # type: ignore[attr-defined,no-any-return]


def _open_files(settings: Settings) -> launch.OpenFiles:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    return launch.open_files(settings.max_connections, 2**20 if unlimited else hard)

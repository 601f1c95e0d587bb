"""platformctl config: the settings as the platform reads them, and what is made of them."""

import shlex

import rich_click as click

from cli.context import Platform, pass_platform
from deploy import process_environment
from shared.settings import Settings


# Said here too: click keeps the help option of whichever context asked first.
@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def config() -> None:
    """Show the settings, and what is made of them."""


@config.command()
@pass_platform
def show(platform: Platform) -> None:
    """Print every setting, secrets masked."""
    for name, value in platform.settings.as_environment().items():
        click.echo(f"{name}={value}")


@config.command()
@pass_platform
def env(platform: Platform) -> None:
    """Print what manage.sh and supervisord need, as lines for a shell to evaluate."""
    settings = platform.settings
    files = _open_files(settings)
    for warning in filter(None, [*settings.warnings, files.warning]):
        click.echo(f"warning: {warning}", err=True)
    for name, value in process_environment.environment(settings, files).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@config.command()
@pass_platform
def nginx(platform: Platform) -> None:
    """Print nginx.conf, filled in."""
    settings = platform.settings
    click.echo(process_environment.nginx_conf(settings, _open_files(settings)), nl=False)


@config.command()
@click.option("--no-nginx", is_flag=True, help="Leave out the port of nginx.")
@pass_platform
def ports(platform: Platform, no_nginx: bool) -> None:
    """Check that every port that the platform needs is free."""
    busy = process_environment.busy_ports(platform.settings, with_nginx=not no_nginx)
    if busy:
        raise click.ClickException("\n".join(busy))


def _open_files(settings: Settings) -> process_environment.OpenFiles:
    allowed = process_environment.allowed_open_files()
    return process_environment.open_files(settings.max_connections, allowed)

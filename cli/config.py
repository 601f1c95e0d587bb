"""platformctl config: the settings as the platform reads them."""

import rich_click as click


@click.group()
def config() -> None:
    """Show the settings, and what is made of them."""


@config.command()
@click.pass_obj
def show(platform: "object") -> None:
    """Print every setting, secrets masked."""
    for name, value in platform.settings.as_environment().items():  # type: ignore[attr-defined]
        click.echo(f"{name}={value}")

"""platformctl completion: what makes a shell complete our commands."""

from typing import Any

import rich_click as click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    For bash, put this into ~/.bashrc: eval "$(platformctl completion bash)"
    """
    root: Any = context.find_root().command
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(root, {}, "platformctl", "_PLATFORMCTL_COMPLETE").source())

"""Asks before something is done that cannot be taken back."""

import sys

import rich_click as click

from cli import render


def confirm(question: str) -> None:
    """Go on at yes only; without a terminal nothing is there to answer with, and --yes is named."""
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort:
        if not sys.stdin.isatty():
            render.say("\nNothing was changed: without a terminal, --yes is the answer.")
        raise

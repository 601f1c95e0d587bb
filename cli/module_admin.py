"""platformctl expire, close, delete, enable, disable: what operators do to modules."""

import time
from typing import TYPE_CHECKING

import rich_click as click

from cli import render
from cli.confirming import confirm
from cli.context import Platform, pass_platform
from cli.parameters import MODULE
from shared.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.domain.module import Module
    from shared.services.module_admin import Connected

LOOK_AGAIN_SECONDS = 0.5

module_argument = click.argument("module", metavar="MODULE", type=MODULE)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.command()
@click.option("--stale", is_flag=True, help="Only modules whose node is dead or gone.")
@click.option(
    "--module", metavar="MODULE", type=MODULE, help="Only this module: its name, module_id or hash."
)
@yes_option
@pass_platform
def expire(platform: Platform, stale: bool, module: str | None, yes: bool) -> None:
    """Put all connected modules offline at once.

    Living ones are closed with 4010 and come back by themselves within seconds.
    """
    from shared.services.module_admin import expire_modules, find_connected
    from shared.services.module_lookup import find_hash

    with platform.open_store() as store:
        module_hash = find_hash(store, module) if module else None

        def find() -> "Connected":
            return find_connected(store, utc_now(), module_hash, platform.grace)

        connected = _find_without_doubt(find) if stale else find()
        living = connected.living + connected.in_doubt
        chosen = connected.stale if stale else connected.stale + living
        if living and not stale and not yes:
            _confirm_expiry(living)
        ended = expire_modules(store, chosen, utc_now(), platform.actor)
    render.say(f"Put offline: {_count(ended)}.")
    if ended < len(chosen):
        render.say(f"Left or reconnected in between: {_count(len(chosen) - ended)}.")


@click.command()
@module_argument
@pass_platform
def close(platform: Platform, module: str) -> None:
    """Close one module's socket with 4010; it comes back by itself.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    from shared.services.module_admin import close_module
    from shared.services.module_lookup import find_by_reference

    with platform.open_store() as store:
        found = find_by_reference(store, module)
        close_module(store, found, utc_now(), platform.actor, platform.grace)
    render.say(f"Closed {found.name}.")


@click.command()
@module_argument
@yes_option
@pass_platform
def delete(platform: Platform, module: str, yes: bool) -> None:
    """Delete a module; its history stays, and its program may register again.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    from shared.services.module_admin import delete_module
    from shared.services.module_lookup import find_by_reference

    with platform.open_store() as store:
        found = find_by_reference(store, module)
        if not yes:
            question = f"Delete {found.name} (module_id {found.module_id})?"
            confirm(question)
        delete_module(store, found.module_hash, utc_now(), platform.actor)
    render.say(f"Deleted {found.name}.")


@click.command()
@module_argument
@pass_platform
def enable(platform: Platform, module: str) -> None:
    """Allow a module to connect again.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    _set_enabled(platform, module, enabled=True)


@click.command()
@module_argument
@pass_platform
def disable(platform: Platform, module: str) -> None:
    """Close a module's socket with 4523 and forbid it to connect.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    _set_enabled(platform, module, enabled=False)


def _set_enabled(platform: Platform, reference: str, *, enabled: bool) -> None:
    from shared.services.module_admin import set_enabled
    from shared.services.module_lookup import find_by_reference

    with platform.open_store() as store:
        found = find_by_reference(store, reference)
        changed = set_enabled(store, found.module_hash, utc_now(), platform.actor, enabled=enabled)
    word = "enabled" if enabled else "disabled"
    render.say(f"{found.name} is {word}." if changed else f"{found.name} was {word} already.")


def _find_without_doubt(find: "Callable[[], Connected]") -> "Connected":
    """Look until no node is in doubt: each one renews its lease, or is given up after a while."""
    connected = find()
    if connected.in_doubt:
        render.say(f"In doubt: {_count(len(connected.in_doubt))}; looking for up to 10 s more.")
    while connected.in_doubt:
        time.sleep(LOOK_AGAIN_SECONDS)
        connected = find()
    return connected


def _confirm_expiry(living: "Sequence[Module]") -> None:
    """Ask before sockets that live are closed."""
    question = f"This closes the sockets of {_count(len(living))} now alive; they come back. Go on?"
    confirm(question)


def _count(number: int) -> str:
    return "1 module" if number == 1 else f"{number} modules"

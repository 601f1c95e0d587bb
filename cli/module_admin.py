"""platformctl expire, close, delete, enable, disable: what operators do to modules."""

import time
from shlex import quote
from typing import TYPE_CHECKING

import rich_click as click

from cli import render
from cli.confirming import confirm
from cli.context import Platform, pass_platform
from cli.parameters import MODULE
from shared.clock import utc_now
from shared.domain.disabling import BECAUSE_MAX_LENGTH, RETRY_SECONDS

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
    from shared.services.module_admin import delete_module, find_connected
    from shared.services.module_lookup import find_by_reference

    with platform.open_store() as store:
        found = find_by_reference(store, module)
        connected = find_connected(store, utc_now(), found.module_hash, platform.grace)
        if connected.living or connected.in_doubt:
            render.say(
                f"{found.name} is connected: its program will register again within seconds. "
                f"To keep it away: platformctl disable {quote(found.name)}"
            )
        if not yes:
            confirm(f"Delete {found.name} (module_id {found.module_id})?")
        delete_module(store, found.module_hash, utc_now(), platform.actor)
    render.say(f"Deleted {found.name}.")


@click.command()
@module_argument
@pass_platform
def enable(platform: Platform, module: str) -> None:
    """Allow a module to connect again.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    found, changed = _set_enabled(platform, module, enabled=True)
    if changed:
        render.say(
            f"{found.name} is enabled; its program tries every {RETRY_SECONDS // 60} minutes, "
            "and comes back by itself (at once, if it is started again)."
        )
    else:
        render.say(f"{found.name} was enabled already.")


@click.command()
@module_argument
@click.option(
    "--because",
    default="",
    metavar="TEXT",
    help="Why: lists, events and the module's own program tell it, with your name.",
)
@pass_platform
def disable(platform: Platform, module: str, because: str) -> None:
    """Close a module's socket with 4523 and forbid it to connect.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    because = " ".join(because.split())
    if len(because) > BECAUSE_MAX_LENGTH:
        raise click.BadParameter(
            f"must not be longer than {BECAUSE_MAX_LENGTH} characters.", param_hint="--because"
        )
    found, changed = _set_enabled(platform, module, enabled=False, because=because)
    if changed:
        render.say(f"{found.name} is disabled.")
    elif found.disabling:
        since = render.format_time(found.disabling.at)
        render.say(f"{found.name} was disabled already, since {since}: {found.disabling.tell()}.")
    else:
        render.say(f"{found.name} was disabled already.")


def _set_enabled(
    platform: Platform, reference: str, *, enabled: bool, because: str = ""
) -> "tuple[Module, bool]":
    """Return the module as it was before, and whether it changed."""
    from shared.services.module_admin import set_enabled
    from shared.services.module_lookup import find_by_reference

    with platform.open_store() as store:
        found = find_by_reference(store, reference)
        changed = set_enabled(
            store, found.module_hash, utc_now(), platform.actor, enabled=enabled, because=because
        )
    return found, changed


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

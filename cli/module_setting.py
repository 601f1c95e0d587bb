"""platformctl set: a module's priority and tags."""

import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from cli.parameters import MODULE
from shared.clock import utc_now
from shared.domain.module import PRIORITY_MAX


@click.command("set")
@click.argument("module", metavar="MODULE", type=MODULE)
@click.option(
    "--priority",
    type=click.IntRange(0, PRIORITY_MAX),
    help="Of several modules of a kind the one with the highest gets the work.",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="+TAG|-TAG",
    help="+pilot adds the tag pilot, -pilot takes it away; may be given several times.",
)
@pass_platform
def set_command(
    platform: Platform, module: str, priority: int | None, tags: tuple[str, ...]
) -> None:
    """Set a module's priority and tags; a registration of its own does not change them.

    MODULE is its name, its module_id, or its hash (8 characters are enough).
    """
    from shared.services.module_lookup import find_by_reference
    from shared.services.module_setting import set_module

    added, removed = _read_tags(tags)
    if priority is None and not tags:
        raise click.UsageError("Give --priority N, --tag +TAG or --tag -TAG.")
    with platform.open_store() as store:
        changed = set_module(
            store,
            find_by_reference(store, module).module_hash,
            utc_now(),
            platform.actor,
            priority=priority,
            add_tags=added,
            remove_tags=removed,
        )
    tags_told = ", ".join(changed.tags) or "none"
    render.say(f"{changed.name}: priority {changed.priority}, tags: {tags_told}.")


def _read_tags(tags: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the tags to add and those to take away."""
    for tag in tags:
        if tag[:1] not in ("+", "-"):
            raise click.BadParameter(
                f"{tag!r}: write +{tag} to add it, -{tag} to take it away.", param_hint="--tag"
            )
    return [t[1:] for t in tags if t[0] == "+"], [t[1:] for t in tags if t[0] == "-"]

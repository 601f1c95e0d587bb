"""Operators set a module's priority and tags, which are theirs once it is registered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.domain.actor import Actor
from shared.domain.event import was_decided
from shared.domain.ids import ModuleHash
from shared.domain.json_document import text_problem
from shared.domain.module import PRIORITY_MAX, TAG_MAX_LENGTH, TAGS_MAX, Module, normalise
from shared.errors import Conflict, InvalidData
from shared.services.module_lookup import find_module
from shared.store import Store

RACES_TO_LOSE = 10


def set_module(
    store: Store,
    module_hash: ModuleHash,
    now: datetime,
    actor: Actor,
    *,
    priority: int | None = None,
    add_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
) -> Module:
    """Set what operators decide about a module; raises NotFound, InvalidData, or Conflict."""
    for _ in range(RACES_TO_LOSE):
        old = find_module(store, module_hash=module_hash)
        new = replace(
            old,
            priority=old.priority if priority is None else _check_priority(priority),
            tags=_change_tags(old, add_tags, remove_tags),
            updated_at=now,
        )
        difference = _difference(old, new)
        if not difference:
            return old
        if store.modules.set_decided(old, new):
            detail = {"difference": difference}
            store.events.record([was_decided(module_hash, "changed", now, actor, detail)])
            store.counters.note_registry_change()
            return new
    raise Conflict("This module is being changed by others all the time; try again.")


def _check_priority(priority: int) -> int:
    if not 0 <= priority <= PRIORITY_MAX:
        raise InvalidData(f"The priority must be from 0 to {PRIORITY_MAX}.")
    return priority


def _change_tags(module: Module, add: Sequence[str], remove: Sequence[str]) -> tuple[str, ...]:
    """Return the tags of a module after a change; those that look the same are one."""
    known = {normalise(tag): tag for tag in module.tags}
    for tag in map(normalise, remove):
        if known.pop(tag, None) is None:
            has = f"it has: {', '.join(module.tags)}" if module.tags else "it has none"
            raise InvalidData(f"{module.name} has no tag {tag!r}; {has}.")
    for tag in map(normalise, add):
        if problem := _find_tag_problem(tag):
            raise InvalidData(f"The tag {tag[:TAG_MAX_LENGTH]!r} {problem}.")
        known.setdefault(tag, tag)
    if len(known) > TAGS_MAX:
        raise InvalidData(f"{module.name} would have {len(known)} tags; {TAGS_MAX} are allowed.")
    return tuple(known.values())


def _find_tag_problem(tag: str) -> str | None:
    if not tag:
        return "must not be empty"
    if len(tag) > TAG_MAX_LENGTH:
        return f"must not be longer than {TAG_MAX_LENGTH} characters"
    if not tag.isprintable():
        return "must not contain control characters"
    return text_problem(tag)


def _difference(old: Module, new: Module) -> dict[str, Any]:
    """Return {field: {"from", "to"}} of what changes."""
    difference: dict[str, Any] = {}
    if new.priority != old.priority:
        difference["priority"] = {"from": old.priority, "to": new.priority}
    if new.tags != old.tags:
        difference["tags"] = {"from": list(old.tags), "to": list(new.tags)}
    return difference

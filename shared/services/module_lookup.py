"""Which module a caller means.

A reference is a module's hash, its name, its module_id, or the first eight digits or more of its
hash. A whole hash is taken at its word. Anything else may be several of these at once: a name may
consist of digits, two modules of different kinds may share a name. What may mean two modules is
refused, with all of them named: to guess would close, or delete, the wrong one.
"""

import re
from collections.abc import Iterable

from shared.domain.ids import ModuleHash
from shared.domain.likeness import TEXT_SHOWN, tell_near
from shared.domain.module import Module, ModuleEntry, normalise
from shared.errors import Conflict, NotFound
from shared.services.module_directory import ModuleDirectory
from shared.store import Store

HASH_LENGTH = 64
SHORTEST_PREFIX = 8
HASH_SHOWN = 12
CANDIDATES_SHOWN = 10
WHAT_TO_DO = (
    "Name one by its hash; `platformctl delete HASH` removes one that is not used any more."
)

_is_number = re.compile(r"[0-9]{1,15}").fullmatch
_is_prefix = re.compile(rf"[0-9a-f]{{{SHORTEST_PREFIX},{HASH_LENGTH}}}").fullmatch


def find_module(
    store: Store, *, module_id: int | None = None, module_hash: ModuleHash | None = None
) -> Module:
    """Return the module with this hash, else with this number; raises NotFound."""
    if module_hash is not None:
        module = store.modules.get(module_hash)
        if module is None:
            raise NotFound(f"No module has the hash {module_hash[:TEXT_SHOWN]!r}.")
        return module
    module = store.modules.get_by_module_id(module_id) if module_id is not None else None
    if module is None:
        raise NotFound(f"No module has the number {module_id}.")
    return module


def find_by_reference(
    store: Store, reference: str, directory: ModuleDirectory | None = None
) -> Module:
    """Return the one module that this means; raises NotFound, or Conflict that lists them."""
    directory = directory or ModuleDirectory()
    while True:
        module_hash = find_hash(store, reference, directory)
        module = store.modules.get(module_hash)
        if module is not None:
            return module
        directory.forget(module_hash)  # deleted since it was read: another one may be meant now


def find_hash(store: Store, reference: str, directory: ModuleDirectory | None = None) -> ModuleHash:
    """Return the hash of the one module that this means; it may be deleted in the meantime.

    Raises NotFound, which names what looks alike, or Conflict, which lists what may be meant.
    """
    text = normalise(reference)
    prefix = as_prefix(text)
    if prefix and len(prefix) == HASH_LENGTH and store.modules.names([prefix]):
        return prefix
    directory = directory or ModuleDirectory()
    found = _find_entries(store, text, directory)
    if not found and directory.search_again(store):
        found = _find_entries(store, text, directory)
    if len(found) > 1:
        # Some may be deleted by now, and a directory in memory does not know.
        existing = store.modules.names(found)
        found = {key: entry for key, entry in found.items() if key in existing}
    if not found:
        raise NotFound(_describe_missing(text, directory.all(store)))
    if len(found) > 1:
        raise Conflict(_describe_doubt(store, text, found.values()))
    return next(iter(found))


def find_number(store: Store, module_id: int, directory: ModuleDirectory) -> ModuleHash:
    """Return the hash of the module with this number, from memory; raises NotFound."""
    entry = directory.numbered(store, module_id)
    if entry is None and directory.search_again(store):
        entry = directory.numbered(store, module_id)
    if entry is None:
        raise NotFound(f"No module has the number {module_id}.")
    return entry.module_hash


def as_prefix(reference: str) -> ModuleHash | None:
    """Return the reference as the beginning of a hash, if it may be one."""
    text = reference.strip().lower()
    return ModuleHash(text) if _is_prefix(text) else None


def _describe_doubt(store: Store, text: str, entries: Iterable[ModuleEntry]) -> str:
    """Say which modules a text may mean, with what tells them apart, and what to do."""
    numbers = {entry.module_id: entry.module_hash for entry in entries}
    hashes = [numbers[number] for number in sorted(numbers)]
    shown = sorted(store.modules.brief(hashes[:CANDIDATES_SHOWN]), key=lambda m: m.module_id)
    lines = [f"{text!r} may mean any of these modules:", *map(_describe_candidate, shown)]
    if len(hashes) > CANDIDATES_SHOWN:
        lines.append(f"  and {len(hashes) - CANDIDATES_SHOWN} more")
    return "\n".join([*lines, WHAT_TO_DO])


def _describe_candidate(module: Module) -> str:
    kind = f"kind {module.mission_kind}" if module.mission_kind else "no kind"
    state = "online" if module.session else "offline" if module.enabled else "disabled"
    since = f"{state} since {module.state_since:%Y-%m-%d %H:%M}Z"
    identity = f"module_id {module.module_id}  {module.module_hash[:HASH_SHOWN]}  {module.name}"
    return f"  {identity}  ({kind}, {since})"


def find_kind_problem(store: Store, kind: str, directory: ModuleDirectory) -> str | None:
    """Return a sentence about a missionKind that no registered module has, and what is near it."""
    text = normalise(kind)
    kinds = {entry.mission_kind for entry in directory.all(store)} - {""}
    if text in kinds:
        return None
    sentence = f"No registered module has the missionKind {text[:TEXT_SHOWN]!r}."
    if near := tell_near(text, kinds):
        return f"{sentence}{near}"
    shown = ", ".join(kind[:TEXT_SHOWN] for kind in sorted(kinds)[:CANDIDATES_SHOWN])
    return f"{sentence} There are: {shown}." if shown else sentence


def _find_entries(
    store: Store, text: str, directory: ModuleDirectory
) -> dict[ModuleHash, ModuleEntry]:
    """Return every module that the text may mean."""
    found = {entry.module_hash: entry for entry in directory.named(store, text)}
    if _is_number(text) and (entry := directory.numbered(store, int(text))):
        found[entry.module_hash] = entry
    if prefix := as_prefix(text):
        found |= {
            entry.module_hash: entry
            for entry in directory.all(store)
            if entry.module_hash.startswith(prefix)
        }
    return found


def _describe_missing(text: str, entries: Iterable[ModuleEntry]) -> str:
    shown = text[:TEXT_SHOWN]
    sentence = f"No module has the name, the module_id or the hash {shown!r}."
    return f"{sentence}{tell_near(text, (entry.name for entry in entries))}"

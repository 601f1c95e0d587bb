"""Which module gets work that is addressed to a kind, or that has fallbacks."""

import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.ids import ModuleHash
from shared.domain.module import Module, normalise
from shared.domain.node import NO_GRACE, LeaseGrace
from shared.domain.presence import NEVER, PresenceRules, judge_presence
from shared.domain.routing import Candidate, Choice, choose_in_order, choose_of_kind, shortlist
from shared.services.module_directory import ModuleDirectory
from shared.store import Store, batch_timeout

SEEN_SECONDS = 0.5
# Each costs three small reads: of more modules that are equally good, so many are looked at.
COUNTED_AT_MOST = 20
# What one module fails at, others of its kind may fail at as well: not all of them shall try.
NEXT_OF_KIND = 3


@dataclass
class _Seen:
    """The modules of a kind as they were read, with what was given to them since."""

    read_at: float
    candidates: dict[ModuleHash, Candidate]


class Router:
    """One for each process; believes what it read of a kind for half a second.

    Two threads may choose the same module at once: then it has one more open message than the next.
    """

    def __init__(
        self,
        directory: ModuleDirectory,
        rules: PresenceRules,
        grace: LeaseGrace = NO_GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._rules = rules
        self._grace = grace
        self._clock = clock
        self._kinds: dict[str, _Seen] = {}

    def choose_of_kind(
        self,
        store: Store,
        mission_kind: str,
        now: datetime,
        *,
        fallback: Sequence[ModuleHash] = (),
        failed: Collection[ModuleHash] = (),
    ) -> Choice | None:
        """Choose a module of this kind that is online, else a fallback that is; None without one."""
        kind = normalise(mission_kind)
        candidates = self._of_kind(store, kind, now)
        choice = choose_of_kind(list(candidates.values()), failed)
        if choice is None:  # one may have registered, or connected, since they were read
            self._directory.search_again(store)
            candidates = self._of_kind(store, kind, now, again=True)
            choice = choose_of_kind(list(candidates.values()), failed)
        if choice is not None:
            chosen = candidates[choice.module_hash]
            candidates[chosen.module_hash] = replace(chosen, open_work=chosen.open_work + 1)
            following = (*choice.fallback[:NEXT_OF_KIND], *fallback)
            return replace(choice, fallback=following)
        online = [c for c in self._look_at(store, fallback, now) if c.is_available]
        choice = choose_in_order(online, failed)
        because = f"fallback: no other module of the kind {kind!r} is online"
        return replace(choice, because=because) if choice else None

    def choose_in_order(
        self,
        store: Store,
        hashes: Sequence[ModuleHash],
        now: datetime,
        *,
        failed: Collection[ModuleHash] = (),
    ) -> Choice | None:
        """Choose the first of a module and its fallbacks that is online, else the first of them.

        Those that failed, are disabled or deleted are left out; None when none is left.
        """
        return choose_in_order(self._look_at(store, hashes, now), failed)

    def _of_kind(
        self, store: Store, kind: str, now: datetime, *, again: bool = False
    ) -> dict[ModuleHash, Candidate]:
        seen = self._kinds.get(kind)
        if seen is not None and not again and self._clock() < seen.read_at + SEEN_SECONDS:
            return seen.candidates
        read_at = self._clock()
        entries = self._directory.all(store)
        of_kind = [entry.module_hash for entry in entries if entry.mission_kind == kind]
        candidates = {c.module_hash: c for c in self._look_at(store, of_kind, now)}
        candidates |= _count_open(store, shortlist(candidates.values()))
        self._kinds[kind] = _Seen(read_at=read_at, candidates=candidates)
        return candidates

    def _look_at(
        self, store: Store, hashes: Iterable[ModuleHash], now: datetime
    ) -> list[Candidate]:
        """Return those of these modules that exist, in their order, as they are seen now."""
        wanted = list(hashes)
        if not wanted:
            return []
        with batch_timeout():
            modules = {module.module_hash: module for module in store.modules.brief(wanted)}
            nodes = self._grace.judge(store.nodes.all(), now)
            times = store.heartbeats.of(wanted)

        def look(module: Module) -> Candidate:
            heartbeat = times.get(module.module_hash, NEVER).heartbeat_at
            seen = judge_presence(module, nodes.nodes, nodes.alive, heartbeat, now, self._rules)
            return Candidate(
                module_hash=module.module_hash,
                module_id=module.module_id,
                name=module.name,
                priority=module.priority,
                enabled=module.enabled,
                state=seen.state,
            )

        return [look(modules[key]) for key in wanted if key in modules]


def _count_open(store: Store, candidates: Sequence[Candidate]) -> dict[ModuleHash, Candidate]:
    """Return these candidates with the work that they have open; those left out seem busy."""
    counted = candidates
    if len(candidates) > COUNTED_AT_MOST:
        counted = random.sample(candidates, COUNTED_AT_MOST)
    with batch_timeout():
        open_work = {c.module_hash: store.messages.count_open(c.module_hash) for c in counted}
    busy = max(open_work.values(), default=0) + 1
    return {
        c.module_hash: replace(c, open_work=open_work.get(c.module_hash, busy)) for c in candidates
    }

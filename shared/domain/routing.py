"""Which module gets a piece of work that several could do, and why."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from shared.domain.ids import ModuleHash
from shared.domain.presence import State

_RANK = {State.ONLINE: 0, State.SUSPECT: 1, State.OFFLINE: 2, State.DISABLED: 3}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A module that could do it, as it is seen now."""

    module_hash: ModuleHash
    module_id: int
    name: str
    priority: int
    enabled: bool
    state: State
    open_work: int = 0

    @property
    def is_available(self) -> bool:
        """Return whether work that is given to it now is pushed at once."""
        return self.enabled and self.state in (State.ONLINE, State.SUSPECT)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The module that was chosen, why, and the modules that are next when it fails or is away."""

    module_hash: ModuleHash
    because: str
    fallback: tuple[ModuleHash, ...] = ()


def shortlist(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return those between which only the amount of open work decides."""
    available = [candidate for candidate in candidates if candidate.is_available]
    best = min(map(_preference, available), default=None)
    return [candidate for candidate in available if _preference(candidate) == best]


def choose_of_kind(
    candidates: Sequence[Candidate], failed: Collection[ModuleHash] = ()
) -> Choice | None:
    """Choose the online module with the highest priority and the least open work.

    One that is suspect comes after all that are not; those that failed before are left out. None
    when no other is online. The others that are online are next, in the same order.
    """
    left = [candidate for candidate in candidates if candidate.module_hash not in failed]
    available = sorted(
        (candidate for candidate in left if candidate.is_available),
        key=lambda c: (_preference(c), c.open_work, c.module_id),
    )
    if not available:
        return None
    chosen, *others = available
    because = _describe_choice(chosen, available)
    if len(left) < len(candidates):
        because += f", without {len(candidates) - len(left)} that failed before"
    return Choice(
        module_hash=chosen.module_hash,
        because=because,
        fallback=tuple(other.module_hash for other in others),
    )


def choose_in_order(
    candidates: Sequence[Candidate], failed: Collection[ModuleHash] = ()
) -> Choice | None:
    """Choose the first one that is online; without one, the first, which gets it when it connects.

    The candidates are a module and its fallbacks, in their order. Those that failed before and
    disabled ones are left out; None when none is left.
    """
    left = [c for c in candidates if c.enabled and c.module_hash not in failed]
    if not left:
        return None
    chosen = next((candidate for candidate in left if candidate.is_available), left[0])
    return Choice(
        module_hash=chosen.module_hash,
        because=_describe_order(chosen, candidates, failed),
        fallback=tuple(c.module_hash for c in left if c is not chosen),
    )


def _preference(candidate: Candidate) -> tuple[int, int]:
    return _RANK[candidate.state], -candidate.priority


def _describe_choice(chosen: Candidate, available: Sequence[Candidate]) -> str:
    if len(available) == 1:
        return "the only one of its kind that is online"
    peers = shortlist(available)
    if len(peers) == 1:
        if any(c.priority >= chosen.priority for c in available if c is not chosen):
            return f"the only one of {len(available)} connected that is not suspect"
        return f"the highest priority ({chosen.priority}) of {len(available)} online"
    return (
        f"the least open work ({chosen.open_work}) "
        f"of {len(peers)} online with priority {chosen.priority}"
    )


def _describe_order(
    chosen: Candidate, candidates: Sequence[Candidate], failed: Collection[ModuleHash]
) -> str:
    first = candidates[0]
    if chosen is first:
        if chosen.is_available:
            return "named"
        return f"named; it is offline{', and so are its fallbacks' if len(candidates) > 1 else ''}"
    if first.module_hash in failed:
        why = "failed"
    elif not first.enabled:
        why = "is disabled"
    else:
        why = "is offline"
    return f"fallback of {first.name!r}, which {why}"

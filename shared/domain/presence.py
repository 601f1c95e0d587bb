"""Presence: online, suspect or offline with a reason, as readers derive it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.domain.closing import OfflineReason
from shared.domain.ids import NodeId
from shared.domain.module import Module
from shared.domain.node import Node
from shared.domain.session import Session

SUSPECT_INTERVALS = 1.5


class State(StrEnum):
    """What a reader sees of a module."""

    ONLINE = "online"
    SUSPECT = "suspect"  # connected, but its program sent nothing for more than one interval
    OFFLINE = "offline"
    DISABLED = "disabled"  # offline, and an operator keeps it away


class LastTimes(NamedTuple):
    """When a module last sent a heartbeat, and when its last result was stored."""

    heartbeat_at: datetime | None
    executed_at: datetime | None


NEVER = LastTimes(None, None)


@dataclass(frozen=True, kw_only=True)
class PresenceRules:
    """The settings that a reader needs to judge a module's presence."""

    interval: timedelta
    flush: timedelta

    @property
    def suspect_after(self) -> timedelta:
        """How old a heartbeat may be before its module is suspect."""
        return self.interval * SUSPECT_INTERVALS + self.flush


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What a reader sees: the state, its reason when offline, and since when."""

    state: State
    reason: OfflineReason | None
    since: datetime
    session: Session | None

    @property
    def is_alive(self) -> bool:
        """Return whether the module counts as online (suspect included)."""
        return self.session is not None


def judge_presence(
    module: Module,
    nodes: Mapping[NodeId, Node],
    alive_nodes: Container[NodeId],
    heartbeat: datetime | None,
    now: datetime,
    rules: PresenceRules,
) -> Presence:
    """Derive a module's state from its session, its node's life and its last heartbeat.

    A node that is not alive says why and when its sessions ended, as the sweep will write it.
    """
    session = module.session
    if session is None:
        return _judge_absence(module, module.offline_reason, module.state_since)
    if session.node not in alive_nodes:
        node = nodes.get(session.node)
        if node is None:
            return _judge_absence(module, OfflineReason.NODE_LOST, module.state_since)
        return _judge_absence(module, node.offline_reason, node.end_of_session(module.state_since))
    last_sign = latest_heartbeat(module, heartbeat) or session.connected_at
    state = State.SUSPECT if now - last_sign > rules.suspect_after else State.ONLINE
    return Presence(state=state, reason=None, since=module.state_since, session=session)


def _judge_absence(module: Module, reason: OfflineReason, since: datetime) -> Presence:
    """Return the presence of a module without a session; a disabled one is so since both."""
    if module.enabled:
        return Presence(state=State.OFFLINE, reason=reason, since=since, session=None)
    disabled_at = module.disabling.at if module.disabling else since
    since = max(since, disabled_at)
    return Presence(state=State.DISABLED, reason=reason, since=since, session=None)


def latest_heartbeat(module: Module, heartbeat: datetime | None) -> datetime | None:
    """Return when the last heartbeat was; a connect counts as one, even before the first flush."""
    connected_at = module.session.connected_at if module.session else module.last_login_time
    return max((at for at in (heartbeat, connected_at) if at is not None), default=None)

"""How many new modules may register: from one address in an hour, and in all."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import Conflict, TooManyRequests
from shared.settings import Settings
from shared.store import Store
from shared.store.counters import HandedOut

# A caller with one IPv6 address has its whole network.
IPV6_PREFIX = 64


@dataclass(frozen=True, kw_only=True)
class RegistrationQuota:
    """The limits; 0 is none."""

    per_address_and_hour: int = 0
    modules: int = 0

    @classmethod
    def of(cls, settings: Settings) -> "RegistrationQuota":
        """Return the limits that the settings say."""
        return cls(
            per_address_and_hour=settings.registrations_per_address_and_hour,
            modules=settings.max_modules,
        )


NO_QUOTA = RegistrationQuota()


def take_place(store: Store, quota: RegistrationQuota, address: str, now: datetime) -> None:
    """Count a new module of this address; raises TooManyRequests when the hour has had enough."""
    limit = quota.per_address_and_hour
    if not limit or store.quotas.take(_network_of(address), now, limit):
        return
    next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    raise TooManyRequests(
        f"Your address may register {limit} new modules an hour; come back in the next one.",
        retry_after_seconds=int((next_hour - now).total_seconds()) + 1,
    )


def count_room(store: Store, quota: RegistrationQuota, handed_out: HandedOut) -> int:
    """Return how many of the modules that these numbers are for may be registered.

    Earlier numbers are registered modules, those of deleted ones, or on their way: the sum never
    passes the limit, however many processes register at once. Modules are counted only when so
    many numbers were handed out.
    """
    wanted = len(handed_out.handout.hashes)
    if not quota.modules or handed_out.first + wanted - 1 <= quota.modules:
        return wanted
    on_their_way = {key for handout in handed_out.unfinished for key in handout.hashes}
    on_their_way -= set(handed_out.handout.hashes)
    # Before the count: one that is registered in between is counted twice rather than never.
    on_their_way -= set(store.modules.names(on_their_way))
    return max(0, quota.modules - store.modules.count() - len(on_their_way))


def refuse(quota: RegistrationQuota) -> Conflict:
    """Return the refusal of a module that there is no room for."""
    return Conflict(
        f"The platform holds as many modules as it may ({quota.modules}); "
        "an operator can delete some, or raise MAX_MODULES."
    )


def _network_of(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))

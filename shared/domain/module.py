"""A module: its identity, its registration, and its connection."""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from shared.domain.closing import OfflineReason
from shared.domain.disabling import Disabling
from shared.domain.ids import ModuleHash
from shared.domain.session import Session

NAME_MAX_LENGTH = 100
DESCRIPTION_MAX_LENGTH = 500
DEFAULT_PRIORITY = 100
PRIORITY_MAX = 2**31 - 1
TAG_MAX_LENGTH = 50
TAGS_MAX = 20


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a re-registration said anew, and the revision that it made."""

    revision: int
    at: datetime
    difference: Mapping[str, Any]  # {field: {"from": registered, "to": said now}}


@dataclass(frozen=True, kw_only=True)
class Module:
    """A registered module; `session` is set exactly while it is connected."""

    module_hash: ModuleHash
    module_id: int
    name: str
    registered_at: datetime
    updated_at: datetime
    state_since: datetime
    description: str = ""
    mission_kind: str = ""
    model_hash: str = ""
    data_requirement: Any = None
    input_data: Any = None
    output_data: Any = None
    tags: tuple[str, ...] = ()
    priority: int = DEFAULT_PRIORITY
    enabled: bool = True
    disabling: Disabling | None = None  # None while enabled, or disabled by an earlier release
    revision: int = 1
    unrecorded_change: Change | None = None  # its last one, until the event of it is recorded
    epoch: int = 0
    session: Session | None = None
    offline_reason: OfflineReason = OfflineReason.NEVER_CONNECTED
    offline_detail: Mapping[str, Any] | None = None  # how its last session ended; None while online
    takeovers: tuple[datetime, ...] = ()
    last_login_time: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleEntry:
    """What a module is found by; none of it changes while the module exists, but its tags."""

    module_hash: ModuleHash
    module_id: int
    name: str
    mission_kind: str
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a module says about itself; None means that it did not say."""

    name: str
    description: str | None = None
    mission_kind: str = ""
    model_hash: str = ""
    data_requirement: Any = None
    input_data: Any = None
    output_data: Any = None
    tags: tuple[str, ...] | None = None
    priority: int | None = None
    module_hash: ModuleHash = field(init=False)

    def __post_init__(self) -> None:
        identity = compute_module_hash(self.name, self.mission_kind, self.model_hash)
        object.__setattr__(self, "module_hash", identity)

    def changes_to(self, module: Module) -> dict[str, tuple[Any, Any]]:
        """Return {field: (registered, said now)} for what a re-registration changes.

        Priority and tags are the operators' once a module exists, so they are not among them.
        """
        said = ("description", "data_requirement", "input_data", "output_data")
        return {
            name: (getattr(module, name), getattr(self, name))
            for name in said
            if getattr(self, name) is not None
            and not _is_same_json(getattr(self, name), getattr(module, name))
        }


def _is_same_json(left: Any, right: Any) -> bool:
    """Compare as JSON does: to Python 1, 1.0 and True are equal."""
    return left == right and _sorted_json(left) == _sorted_json(right)


def _sorted_json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def normalise(text: str) -> str:
    """Return text in NFC without surrounding white space: what people see as the same is equal."""
    return unicodedata.normalize("NFC", text).strip()


def compute_module_hash(name: str, mission_kind: str, model_hash: str) -> ModuleHash:
    """Return the identity of a module: SHA-256 hex over the compact JSON of its three names."""
    names = [normalise(text or "") for text in (name, mission_kind, model_hash)]
    return ModuleHash(hashlib.sha256(orjson.dumps(names)).hexdigest())

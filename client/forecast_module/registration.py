"""What a module says about itself, and telling it to the platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from forecast_module.address import Address

# The platform says what is wrong with the words; saying them again will not help.
FINAL_STATUSES = (400, 413, 414, 415, 422, 431)


class RegistrationRefused(Exception):
    """The platform does not take what the module says about itself."""


class NotRegistered(Exception):
    """The platform did not register the module now; it may later."""

    def __init__(self, problem: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(problem)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class Registration:
    """A module about itself; what is None is not said."""

    name: str
    description: str = ""
    mission_kind: str | None = None
    model_hash: str | None = None
    data_requirement: Any = None
    input_data: Any = None
    output_data: Any = None
    priority: int | None = None
    tags: list[str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it in the words of the HTTP call."""
        words = {
            "name": self.name,
            "description": self.description,
            "missionKind": self.mission_kind,
            "modelHash": self.model_hash,
            "dataRequirement": self.data_requirement,
            "input_data": self.input_data,
            "output_data": self.output_data,
            "priority": self.priority,
            "tags": self.tags,
        }
        return {key: value for key, value in words.items() if value is not None}


def open_http(address: Address) -> requests.Session:
    """Return a session that takes the environment's proxies, except to this machine."""
    session = requests.Session()
    session.trust_env = not address.is_loopback
    return session


def register(address: Address, registration: Registration, timeout: float) -> str:
    """Return the module's hash; registering again gives the same one."""
    try:
        with open_http(address) as session:
            answer = session.post(
                address.http("/module/register"), json=registration.to_json(), timeout=timeout
            )
    except requests.RequestException as error:
        problem = f"{address.base} does not answer ({find_cause(error)})"
        raise NotRegistered(problem) from error
    try:
        envelope = answer.json()
        if answer.ok:
            return str(envelope["result"]["hash"])
        problem = str(envelope["message"])
    except (ValueError, KeyError, TypeError):
        said = f"HTTP {answer.status_code} {answer.reason}"
        problem = f"{answer.url} does not answer as the platform does ({said}): is it its address?"
        raise NotRegistered(problem, status=answer.status_code) from None
    if answer.status_code in FINAL_STATUSES:
        raise RegistrationRefused(problem)
    retry_after = read_retry_after(answer.headers.get("Retry-After"))
    raise NotRegistered(problem, status=answer.status_code, retry_after=retry_after)


def find_cause(error: BaseException) -> BaseException:
    """Return what lies at the bottom of an error: libraries wrap `Connection refused` thrice."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error


def read_retry_after(header: str | None) -> float:
    """Return the seconds that a Retry-After header asks for, at most an hour."""
    try:
        return min(max(float(header or 0), 0.0), 3600.0)
    except ValueError:
        return 0.0  # a date: the back-off will do

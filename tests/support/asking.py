"""Questions over plain HTTP."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What came back; an error status is an answer, too."""

    status: int
    headers: Any
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """Return the body as JSON."""
        value: dict[str, Any] = json.loads(self.body)
        return value

    @property
    def code(self) -> str:
        """Return the envelope's code."""
        return str(self.envelope["code"])

    @property
    def result(self) -> Any:
        """Return the envelope's result."""
        return self.envelope["result"]


def ask(
    port: int, path: str, data: bytes | None = None, method: str | None = None, **headers: str
) -> Answer:
    """Send one request; raises OSError when nothing answers."""
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def answers(port: int, path: str) -> bool:
    """Return whether what listens there says that all is well."""
    try:
        return ask(port, path).status == 200
    except OSError:
        return False

"""Questions over plain HTTP."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What the api (or a wsd) answered."""

    status: int
    code: str
    result: Any


def ask(port: int, path: str) -> Answer:
    """Ask over HTTP; raises OSError when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            status, body = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read()
    envelope = json.loads(body)
    return Answer(status, envelope["code"], envelope["result"])


def answers(port: int, path: str) -> bool:
    """Return whether what listens there says that all is well."""
    try:
        return ask(port, path).status == 200
    except OSError:
        return False

"""The server itself: what it says, and the one command that makes a mongod a replica set.

No mongod can be installed where these tests run, so its answers are written down here as its manual
gives them; `describe` is asked of the real test server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from pymongo.errors import OperationFailure

from shared.clock import utc_now
from shared.services import database_setup
from shared.settings import Settings
from shared.store.server import Server, open_server


class UninitiatedMongod:
    """Answers as a mongod that was started with --replSet and whose set was never made."""

    codec_options = CodecOptions()

    def __init__(self, *, looks_until_primary: int = 2, initiated_by_other: bool = False) -> None:
        self.configs: list[dict[str, Any]] = []
        self._looks = looks_until_primary
        self._initiated_by_other = initiated_by_other

    def __getitem__(self, name: str) -> "UninitiatedMongod":
        return self

    def command(self, command: str, value: Any = None, **_: Any) -> dict[str, Any]:
        if command == "replSetInitiate":
            self.configs.append(value)
            if self._initiated_by_other:
                raise OperationFailure("already initialized", code=23)
            return {"ok": 1.0}
        if not self.configs:
            return {"isWritablePrimary": False, "secondary": False, "isreplicaset": True}
        self._looks -= 1
        return {"isWritablePrimary": self._looks <= 0, "setName": "forecast"}


def serve(mongod: UninitiatedMongod, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def open_mongod(_: Settings) -> Iterator[Server]:
        yield Server(mongod)

    monkeypatch.setattr(database_setup, "open_server", open_mongod)


@pytest.fixture
def local(settings: Settings) -> Settings:
    """Settings of a machine that has a mongod of its own."""
    return replace(settings, mongodb_host="", mongod_bin="/bin/true")


def test_our_own_mongod_becomes_a_replica_set_of_one(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongod = UninitiatedMongod()
    serve(mongod, monkeypatch)
    assert database_setup.initiate_local_server(local)
    address = f"127.0.0.1:{local.mongodb_port}"
    assert mongod.configs == [{"_id": "forecast", "members": [{"_id": 0, "host": address}]}]
    assert not database_setup.initiate_local_server(local)


def test_somebody_else_may_initiate_it_at_the_same_time(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(UninitiatedMongod(initiated_by_other=True), monkeypatch)
    assert database_setup.initiate_local_server(local)


def test_the_server_says_what_it_is(settings: Settings) -> None:
    with open_server(settings) as server:
        facts = server.describe()
        assert not server.needs_initiation()
    assert facts.product in ("MongoDB", "SecantusDB")
    assert facts.is_writable
    assert abs(facts.local_time - utc_now()) < timedelta(minutes=1)

"""A real database server for every worker, a fresh database for every test."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
from pymongo import MongoClient

from shared.settings import Settings
from shared.store import Store, connect
from tests.support.background import BackgroundLoop
from tests.support.data_directory import data_directory
from tests.support.database_server import DatabaseServer
from tests.support.deafness import forget_the_caller
from tests.support.indexes import create_indexes
from tests.support.registry import Registry
from tests.support.wire_proxy import WireProxy

forget_the_caller()

# How long an example takes says nothing on a machine that does other things besides.
hypothesis.settings.register_profile("suite", deadline=None)
# For those who look for what a hundred examples did not show: --hypothesis-profile=long
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def database_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server that this worker's tests share: TEST_MONGODB_URI, or an embedded one."""
    given = os.environ.get("TEST_MONGODB_URI")
    if given:
        yield given
        return
    with data_directory(tmp_path_factory) as directory:
        server = DatabaseServer(directory)
        server.start()
        yield server.uri
        server.kill()


@pytest.fixture(scope="session")
def plain_client(database_uri: str) -> Iterator[MongoClient]:
    """A client without the Stable API, for what only tests do (dropping databases, looking in)."""
    with MongoClient(database_uri, tz_aware=True) as client:
        yield client


@pytest.fixture
def settings(
    database_uri: str, tmp_path: Path, worker_id: str, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a platform of this test's own."""
    monkeypatch.setenv("DEBUG", "True")
    loaded = Settings.from_env(env_file=tmp_path / "no.env")
    return replace(
        loaded,
        secret_key="k" * 43,
        allowed_hosts=("*",),
        mongodb_host=database_uri,
        mongodb_name=f"test_{worker_id}",
        var_dir=tmp_path,
    )


@pytest.fixture
def store(settings: Settings, plain_client: MongoClient) -> Iterator[Store]:
    """A store over an empty database with every index in place."""
    plain_client.drop_database(settings.mongodb_name)
    opened = connect(settings, timeout_ms=10_000, retryWrites=False, w=1)
    create_indexes(opened)
    yield opened
    opened.close()
    plain_client.drop_database(settings.mongodb_name)


@pytest.fixture(scope="session")
def network() -> Iterator[BackgroundLoop]:
    """A thread for what lies between drivers and servers."""
    loop = BackgroundLoop("network")
    yield loop
    loop.stop()


@pytest.fixture(scope="session")
def wire_proxy(network: BackgroundLoop, database_uri: str) -> Iterator[WireProxy]:
    """A way to the worker's database on which a test may let commands fail."""
    opened = WireProxy(network, urlsplit(database_uri).port or 27017)
    yield opened
    opened.close()


@pytest.fixture
def registry(store: Store, now: datetime) -> Registry:
    """A registry at noon."""
    return Registry(store=store, now=now)


@pytest.fixture
def now() -> datetime:
    """The moment at which a test happens."""
    return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

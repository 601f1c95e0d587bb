"""An application over the test's database, and a client that calls it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api import create_app
from api.app_state import share_app_state
from api.circuit_breaker import CircuitBreaker
from shared.clock import utc_now
from shared.domain.module import Module
from shared.domain.node import Node
from shared.services.nodes import enrol_node
from shared.services.registration import register_module
from shared.services.sessions import NodeView, write_batch
from shared.settings import Settings
from shared.store import Store
from tests.support.builders import NODE, make_claim, make_node, make_registration
from tests.support.database_server import DatabaseServer
from tests.support.described_answers import DescribedClient, Description

OnlineMaker = Callable[..., Module]


@dataclass
class Clock:
    """Monotonic seconds that only a test moves."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DatabaseServer]:
    """A database server of the test's own, which it may stop or keep from writing."""
    started = DatabaseServer(tmp_path)
    started.start()
    yield started
    started.kill()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(store: Store, clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(store, clock)


@pytest.fixture(scope="session")
def applications() -> list[Flask]:
    """The application of the tests before, if there was one: most of its making is its routes."""
    return []


@pytest.fixture
def app(settings: Settings, store: Store, applications: list[Flask]) -> Flask:
    """An application that knows nothing of the tests before."""
    if not applications:
        made = create_app(settings, store)
        made.extensions["description"] = Description(made)
        made.test_client_class = DescribedClient
        applications.append(made)
    share_app_state(applications[0], settings, store)
    return applications[0]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def living_node(store: Store) -> Node:
    """A wsd that has just renewed its lease."""
    now = utc_now()
    node = make_node(lease_until=now + timedelta(seconds=20), started_at=now)
    enrol_node(store, node, now)
    return node


@pytest.fixture
def connect_module(store: Store, living_node: Node) -> OnlineMaker:
    """Register a module and connect it to the living node."""

    def connect(**registration: Any) -> Module:
        now = utc_now()
        module = register_module(store, make_registration(**registration), now).module
        claim = make_claim(
            module.module_hash,
            id=f"session-of-{module.module_id}",
            node=living_node.id,
            connected_at=now,
        )
        view = NodeView(node=NODE, holds=lambda _: False, takeover_window=timedelta(seconds=60))
        write_batch(store, view, [claim], [], now)
        connected = store.modules.get(module.module_hash)
        assert connected is not None
        assert connected.session is not None
        return connected

    return connect

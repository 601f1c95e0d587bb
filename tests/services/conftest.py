"""A registry at noon."""

from datetime import datetime

import pytest

from shared.store import Store
from tests.support.registry import Registry


@pytest.fixture
def registry(store: Store, now: datetime) -> Registry:
    return Registry(store=store, now=now)

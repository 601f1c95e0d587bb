"""A registry at noon."""

from datetime import datetime

import pytest

from shared.store import Store
from tests.fleet import Fleet


@pytest.fixture
def fleet(store: Store, now: datetime) -> Fleet:
    return Fleet(store=store, now=now)

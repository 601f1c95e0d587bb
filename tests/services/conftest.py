"""What tests of services share."""

import pytest

from tests.support.steady_clock import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()

"""Times and ages, as people read them."""

from datetime import timedelta

import pytest

from cli.render import format_age


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (119, "1m59s"),
        (3600, "1h"),
        (3659, "1h"),
        (5400, "1h30m"),
        (86399, "23h59m"),
        (86400 * 12 + 3600 * 4 + 59, "12d4h"),
    ],
)
def test_an_age_has_two_units_at_most(seconds: float, told: str) -> None:
    assert format_age(timedelta(seconds=seconds)) == told

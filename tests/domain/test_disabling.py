"""What a disabled module's program hears."""

import pytest

from shared.domain.actor import user
from shared.domain.closing import CATALOGUE, DISABLED
from shared.domain.disabling import CLOSE_TEXT_MAX_BYTES, Disabling, closing_of, refusal_of
from tests.support.builders import NOON

ALICE = user("alice")


def test_the_closing_and_the_refusal_name_the_actor_and_the_reason() -> None:
    disabling = Disabling(at=NOON, actor=ALICE, because="new model until Monday")
    closing = closing_of(disabling)
    assert (closing.code, closing.reason) == (4523, DISABLED.reason)
    assert closing.text == "alice disabled the module: new model until Monday"
    assert refusal_of(disabling) == (
        "This module is disabled since 2026-03-01 12:00 UTC, by alice: new model until Monday"
    )


def test_without_a_reason_the_actor_is_named() -> None:
    disabling = Disabling(at=NOON, actor=ALICE)
    assert closing_of(disabling).text == "alice disabled the module"


def test_what_an_earlier_release_disabled_has_the_words_of_the_catalogue() -> None:
    assert closing_of(None) in CATALOGUE
    assert refusal_of(None) == "An operator disabled this module."


@pytest.mark.parametrize("because", ["x" * 200, "维护" * 100, "é" * 77 + "维" * 60])
def test_a_long_reason_fits_into_a_close_frame(because: str) -> None:
    text = closing_of(Disabling(at=NOON, actor=ALICE, because=because)).text
    assert CLOSE_TEXT_MAX_BYTES - 3 <= len(text.encode()) <= CLOSE_TEXT_MAX_BYTES
    assert text.endswith("…")

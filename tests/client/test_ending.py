"""The SDK does what the platform's catalogue of closings advises."""

import re

import pytest
from forecast_module.ending import Advice as SdkAdvice
from forecast_module.ending import Ending

from shared.domain.closing import CATALOGUE, Advice, Closing
from shared.settings import PROJECT_DIR

SAME = {
    Advice.NONE: SdkAdvice.RECONNECT,
    Advice.CORRECT: SdkAdvice.RECONNECT,
    Advice.RECONNECT: SdkAdvice.RECONNECT,
    Advice.RECONNECT_LATER: SdkAdvice.RECONNECT_LATER,
    Advice.REGISTER: SdkAdvice.REGISTER,
    Advice.STAY_AWAY: SdkAdvice.STAY_AWAY,
}


@pytest.mark.parametrize("closing", CATALOGUE, ids=lambda closing: closing.name)
def test_the_sdk_follows_the_advice_of_every_closing(closing: Closing) -> None:
    assert Ending(closing.code, closing.text).advice is SAME[closing.advice]


@pytest.mark.parametrize("closing", CATALOGUE, ids=lambda closing: closing.name)
def test_the_protocols_page_names_every_closing(closing: Closing) -> None:
    page = (PROJECT_DIR / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert re.search(rf"^\|.*\b{closing.code}\b.*\|", page, re.MULTILINE)

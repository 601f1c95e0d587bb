"""Every word that the code writes into an event can be asked for."""

import re

import pytest

from shared.domain.event_words import WORDS
from shared.settings import PROJECT_DIR

DECISIONS = re.compile(r'(?:_decided|node_changed)\([^()]*?"(\w+)"')


@pytest.mark.parametrize("package", ["shared", "wsd", "worker"])
def test_every_decision_is_among_the_words(package: str) -> None:
    sources = [path.read_text() for path in (PROJECT_DIR / package).rglob("*.py")]
    found = {word for source in sources for word in DECISIONS.findall(source)}
    assert found <= set(WORDS)


def test_the_decisions_are_found_at_all() -> None:
    source = (PROJECT_DIR / "shared/services/workflows.py").read_text()
    assert set(DECISIONS.findall(source)) == {"created", "edited", "paused", "resumed", "deleted"}

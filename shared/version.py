"""The platform's version: the newest heading of CHANGELOG.md, and written nowhere else."""

import re

from shared.settings import PROJECT_DIR


def read_version() -> str:
    """Return the version of the newest release; `unreleased` while there is none."""
    changelog = PROJECT_DIR / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8") if changelog.exists() else ""
    heading = re.search(r"^## \[?v?(\d[^\]\s]*)", text, re.MULTILINE)
    return heading[1] if heading else "unreleased"

"""What the code can do stands in both READMEs, and in .env.example."""

import re
from pathlib import Path

import pytest

from api import create_app
from shared.domain.closing import CATALOGUE, Closing, OfflineReason
from shared.domain.event_words import REASONS, WORDS
from shared.domain.presence import State
from shared.errors import INTERNAL_ERROR, SUCCESS, PlatformError
from shared.services.module_listing import to_item
from shared.settings import Settings, variables
from shared.store import Store
from tests.support.builders import NOON, make_listed

PROJECT_DIR = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.zh-CN.md")


@pytest.fixture(params=READMES)
def readme(request: pytest.FixtureRequest) -> str:
    return (PROJECT_DIR / request.param).read_text(encoding="utf-8")


def read(page: str) -> str:
    return (PROJECT_DIR / page).read_text(encoding="utf-8")


def levels_of_chapters(text: str) -> list[int]:
    """Return how deep each chapter lies, in their order; a comment in a console is none."""
    return [len(mark) for mark in re.findall(r"^(#+) ", without_blocks(text), re.MULTILINE)]


def tables(text: str) -> list[list[str]]:
    """Return the first cells of each table's rows, as far as they are code."""
    found = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    firsts = [[row.split(" | ")[0] for row in table.splitlines()[2:]] for table in found]
    return [[" ".join(re.findall(r"`[^`]+`|\d{4}", cell)) for cell in cells] for cells in firsts]


def blocks(text: str) -> list[str]:
    """Return the code blocks without their comments, their sketches and what people write."""
    found = re.findall(r"^```(?:console|python|json)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(r"  #.*|description='.*?'", "", block) for block in found]


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def test_the_twins_have_the_same_chapters() -> None:
    english, chinese = (levels_of_chapters(read(page)) for page in READMES)
    assert len(english) > 10
    assert english == chinese


def test_the_twins_have_the_same_rows_in_every_table() -> None:
    english, chinese = (tables(read(page)) for page in READMES)
    assert len(english) >= 8
    assert english == chinese


def test_the_twins_have_the_same_bullets() -> None:
    english, chinese = (re.findall(r"^- ", read(page), re.MULTILINE) for page in READMES)
    assert len(english) == len(chinese) > 10


def test_the_twins_have_the_same_code() -> None:
    english, chinese = (blocks(read(page)) for page in READMES)
    assert len(english) >= 8
    assert english == chinese


def names_of_settings() -> list[str]:
    return variables()


@pytest.mark.parametrize("name", names_of_settings())
def test_every_setting_is_explained(readme: str, name: str) -> None:
    assert f"`{name}`" in readme


@pytest.mark.parametrize("name", names_of_settings())
def test_every_setting_is_in_the_example(name: str) -> None:
    example = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")
    assert re.search(rf"^(# )?{name}=", example, re.MULTILINE)


def test_the_catalogue_of_closings_is_printed_into_the_readme() -> None:
    rows = [f"| {c.code} | {c.text} | `{c.reason}` | {c.advice} |" for c in CATALOGUE]
    assert "\n".join(rows) in (PROJECT_DIR / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("closing", CATALOGUE, ids=lambda closing: closing.name)
def test_every_closing_is_explained(readme: str, closing: Closing) -> None:
    assert re.search(rf"^\| {closing.code} \| .* \| `{closing.reason}` \| ", readme, re.MULTILINE)


@pytest.mark.parametrize("word", [*OfflineReason, *State])
def test_every_state_and_reason_is_explained(readme: str, word: str) -> None:
    assert f"`{word}`" in readme


@pytest.mark.parametrize("word", [*WORDS, *REASONS])
def test_every_word_of_an_event_is_in_the_readme(readme: str, word: str) -> None:
    assert f"`{word}`" in readme


def test_every_error_code_is_explained(readme: str) -> None:
    codes = {error.code for error in PlatformError.__subclasses__()} | {SUCCESS, INTERNAL_ERROR}
    assert [code for code in sorted(codes) if f"`{code}`" not in readme] == []


def test_error_codes_are_unique() -> None:
    codes = [error.code for error in PlatformError.__subclasses__()]
    assert sorted(set(codes)) == sorted(codes)


def test_every_address_is_explained(readme: str, settings: Settings, store: Store) -> None:
    rules = create_app(settings, store).url_map.iter_rules()
    paths = {re.sub(r"<.*?(\w+)>", r"<\1>", rule.rule) for rule in rules}
    ours = {path for path in paths if not path.startswith(("/static", "/docs/"))} - {"/"}
    assert "/module/online" in ours
    assert [path for path in sorted(ours) if path not in readme] == []


def test_every_key_of_a_listed_module_is_explained(readme: str) -> None:
    assert [key for key in to_item(make_listed(NOON)) if f"`{key}`" not in readme] == []


def test_every_verb_of_manage_is_named(readme: str) -> None:
    script = (PROJECT_DIR / "manage.sh").read_text(encoding="utf-8")
    cases = script[script.index("case $verb in") :]
    verbs = re.findall(r"^  ([a-z-]+)(?: \| ([a-z-]+))?\)", cases, re.MULTILINE)
    words = {verb for pair in verbs for verb in pair if verb}
    assert {"up", "down", "deploy", "enable"} <= words
    assert [verb for verb in sorted(words) if not re.search(rf"`{verb}\b", readme)] == []


def test_the_newest_release_is_the_version() -> None:
    from shared.version import read_version

    newest = re.search(r"^## (\S+)", (PROJECT_DIR / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert read_version() == newest[1]


def names_of_documents() -> list[str]:
    pages = [*(PROJECT_DIR / "docs").rglob("*.md"), PROJECT_DIR / "CONTRIBUTING.md"]
    return sorted(str(page.relative_to(PROJECT_DIR)) for page in pages)


@pytest.mark.parametrize("page", names_of_documents())
def test_every_path_in_a_document_exists(page: str) -> None:
    text = (PROJECT_DIR / page).read_text(encoding="utf-8")
    known = "|".join(
        path.name for path in PROJECT_DIR.iterdir() if path.is_dir() and path.name != "var"
    )
    paths = re.findall(rf"`((?:{known})/[\w./-]*|[\w.-]+\.(?:py|conf|sh|md|toml|txt))`", text)
    assert [path for path in paths if not (PROJECT_DIR / path).exists()] == []


def test_decisions_are_numbered_in_a_row() -> None:
    pages = sorted((PROJECT_DIR / "docs" / "decisions").iterdir())
    assert [int(page.name[:3]) for page in pages] == list(range(1, len(pages) + 1))
    titles = [page.read_text(encoding="utf-8").split(".", 1)[0] for page in pages]
    assert titles == [f"# {number}" for number in range(1, len(pages) + 1)]


def test_every_name_beside_a_path_of_the_architecture_stands_in_that_file() -> None:
    text = (PROJECT_DIR / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)` \(((?:`\w+`(?:, )?)+)\)", text)
    assert len(named) >= 8
    missing = [
        (path, name)
        for path, names in named
        for name in re.findall(r"`(\w+)`", names)
        if not re.search(rf"(def|class) {name}\b", (PROJECT_DIR / path).read_text())
    ]
    assert missing == []

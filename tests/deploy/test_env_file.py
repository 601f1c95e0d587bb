"""Writing .env: what it keeps, and that every value comes back as it was."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from deploy import env_file
from shared.settings import PROJECT_DIR, Settings

EXAMPLE = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.mark.parametrize("value", ["", "10080", "a b", "it's", "C:\\n\\", '"', "# no", "负荷 (二)"])
def test_a_value_comes_back_as_it_was_written(path: Path, value: str) -> None:
    env_file.make(path, EXAMPLE, {"NODE_NAME": value, "OF_NO_LINE": value})
    assert dotenv_values(path)["NODE_NAME"] == value
    assert dotenv_values(path)["OF_NO_LINE"] == value


def test_a_value_takes_the_place_of_the_commented_default(path: Path) -> None:
    env_file.make(path, EXAMPLE, {"SECRET_KEY": "k", "API_PORT": "22081"})
    text = path.read_text()
    assert text.splitlines().index("API_PORT=22081") == EXAMPLE.splitlines().index(
        "# API_PORT=10081"
    )
    assert Settings.from_env(env_file=path).api_port == 22081


def test_only_its_owner_may_read_it(path: Path) -> None:
    env_file.make(path, EXAMPLE, {})
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_never_written_over(path: Path) -> None:
    path.write_text("MINE=1\n")
    assert not env_file.make(path, EXAMPLE, {})
    assert path.read_text() == "MINE=1\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_change_leaves_everything_else_as_it_is(path: Path) -> None:
    path.write_text("# mine\nexport API_PORT = 1\nOTHER=2")
    path.chmod(0o640)
    env_file.change(path, {"API_PORT": "22081", "WSD_PORT": "22090"})
    assert path.read_text() == "# mine\nAPI_PORT=22081\nOTHER=2\nWSD_PORT=22090\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_to_the_file_stays_one(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("A=1\n")
    path.symlink_to(real)
    env_file.change(path, {"A": "2"})
    assert path.is_symlink()
    assert real.read_text() == "A=2\n"

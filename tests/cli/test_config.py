"""platformctl config, and that .env.example and the settings tell the same story."""

import re
import shlex
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from cli.config import config
from cli.context import Platform
from cli.main import cli
from shared.settings import PROJECT_DIR, Settings, variables

EXAMPLE = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")


def run(settings: Settings, *arguments: str) -> str:
    result = CliRunner().invoke(config, arguments, obj=Platform(settings))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_show_prints_every_setting_and_no_secret(settings: Settings) -> None:
    secret = replace(settings, secret_key="hush", mongodb_host="mongodb://me:hush@db:1/x")
    shown = orjson.loads(run(secret, "show", "--json"))
    assert list(shown) == variables()
    table = run(secret, "show")
    assert [line.split()[0] for line in table.splitlines()] == ["setting", *variables()]
    assert "hush" not in f"{shown}{table}"


def test_env_survives_a_shell(settings: Settings) -> None:
    odd = replace(settings, var_dir=Path("/tmp/it's a $HOME `path`"))
    lines = run(odd, "env").splitlines()
    words = [shlex.split(line) for line in lines]
    assert ["export", f"VAR_DIR={odd.var_dir}"] in words
    assert all(len(parts) == 2 for parts in words)


def test_env_holds_no_secrets(settings: Settings) -> None:
    output = run(replace(settings, mongodb_host="mongodb://me:hush@db"), "env")
    assert settings.secret_key not in output
    assert "hush" not in output


def test_env_leaves_the_database_to_others_when_one_is_named(settings: Settings) -> None:
    assert "DATABASE_PROCESSES=0" in run(replace(settings, mongodb_host="db:27017"), "env")
    ours = run(replace(settings, mongodb_host=""), "env")
    assert "DATABASE_PROCESSES=1" in ours


def test_ports_names_the_setting_that_moves_a_busy_one(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        crowded = replace(settings, wsd_port=port - 1, wsd_processes=2)
        result = CliRunner().invoke(config, ["ports"], obj=Platform(crowded))
    assert result.exit_code == 1
    assert f"WSD_PORT: port {port} is in use on this machine" in result.stderr
    assert "./manage.sh up --port " in result.stderr


def test_the_port_of_an_external_database_is_not_asked_for(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        away = replace(settings, mongodb_host="db:1", mongodb_port=port)
        result = CliRunner().invoke(config, ["ports"], obj=Platform(away))
    assert str(port) not in result.output


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run what `up` runs before anything else, on a .env of the test's own."""
    monkeypatch.setenv("FORECAST_ENV_FILE", str(tmp_path / ".env"))
    for name in variables():
        monkeypatch.delenv(name, raising=False)

    def run_keep(*arguments: str, **shell: str) -> Result:
        return CliRunner().invoke(cli, ["config", "keep", *arguments], env=shell)

    return run_keep


def read_env(tmp_path: Path) -> dict[str, str]:
    said = dotenv_values(tmp_path / ".env")
    return {name: value for name, value in said.items() if value is not None}


def test_the_first_up_keeps_what_its_shell_said(
    keep: Callable[..., Result], tmp_path: Path
) -> None:
    said = keep(SERVER_PORT="22080", VAR_DIR="/srv/it's here").output
    assert "a random SECRET_KEY, VAR_DIR, SERVER_PORT of this shell" in said
    kept = read_env(tmp_path)
    assert (kept["SERVER_PORT"], kept["VAR_DIR"]) == ("22080", "/srv/it's here")
    assert len(kept["SECRET_KEY"]) >= 64
    assert keep().output == keep(SERVER_PORT="22080").output == ""
    assert read_env(tmp_path) == kept


def test_what_only_a_later_shell_says_is_told_and_not_kept(
    keep: Callable[..., Result], tmp_path: Path
) -> None:
    keep(SERVER_PORT="22080")
    said = keep(SERVER_PORT="23080", API_PORT="23081").output
    assert "only this shell says SERVER_PORT, API_PORT:" in said
    assert read_env(tmp_path)["SERVER_PORT"] == "22080"


def test_a_file_without_a_secret_key_gets_one(keep: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ALLOWED_HOSTS=*\nSECRET_KEY=\n")
    assert keep().output == "  wrote a random SECRET_KEY into .env\n"
    assert len(read_env(tmp_path)["SECRET_KEY"]) >= 64


def test_a_secret_key_from_elsewhere_is_enough(keep: Callable[..., Result], tmp_path: Path) -> None:
    assert "random" not in keep(SECRET_KEY="k" * 43).output
    assert read_env(tmp_path)["SECRET_KEY"] == "k" * 43
    (tmp_path / ".env").write_text("ALLOWED_HOSTS=*\n")
    keep(SECRET_KEY="k" * 43)
    assert "SECRET_KEY" not in read_env(tmp_path)


def test_a_port_moves_all_others_and_is_kept(keep: Callable[..., Result], tmp_path: Path) -> None:
    for first in (22080, 23080):
        assert keep("--port", str(first)).exit_code == 0
        settings = Settings.from_env()
        assert (settings.server_port, settings.web_port) == (first, first)
        assert (settings.api_port, settings.wsd_port) == (first + 1, first + 10)
    assert keep("--port", "24080", SERVER_PORT="23080").exit_code == 1
    assert "wins over .env" in keep("--port", "24080", SERVER_PORT="23080").stderr
    assert read_env(tmp_path)["SERVER_PORT"] == "23080"


def test_show_says_where_each_value_comes_from(keep: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DEBUG=True\nWSD_PORT=22090\nWSD_PORTS=2\n")
    shown = CliRunner().invoke(cli, ["config", "show"], env={"API_PORT": "22081"})
    origins = {line.split()[0]: line.split()[-1] for line in shown.stdout.splitlines()}
    names = ("API_PORT", "WSD_PORT", "MONGODB_PORT")
    assert [origins[name] for name in names] == ["environment", ".env", "default"]
    assert "WSD_PORTS in .env is no setting: did you mean WSD_PORT?" in shown.stderr


def test_the_example_file_names_every_setting() -> None:
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert named == set(variables())


def test_the_example_file_is_right_about_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE, re.MULTILINE):
        monkeypatch.delenv(name, raising=False)
    plain = tmp_path / "plain.env"
    plain.write_text("SECRET_KEY=k\nALLOWED_HOSTS=*\n")
    spelled_out = tmp_path / "spelled-out.env"
    text = re.sub(r"^# (?=[A-Z_]+=.)", "", EXAMPLE, flags=re.MULTILINE)
    spelled_out.write_text(text.replace("SECRET_KEY=\n", "SECRET_KEY=k\n"))
    assert Settings.from_env(env_file=spelled_out) == Settings.from_env(env_file=plain)

"""platformctl config, and that .env.example and the settings tell the same story."""

import re
import shlex
import socket
from dataclasses import fields, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.config import config
from cli.context import Platform
from shared.settings import PROJECT_DIR, Settings

EXAMPLE = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")


def run(settings: Settings, *arguments: str) -> str:
    result = CliRunner().invoke(config, arguments, obj=Platform(settings))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_show_prints_every_setting_and_no_secret(settings: Settings) -> None:
    secret = replace(settings, secret_key="hush", mongodb_host="mongodb://me:hush@db:1/x")
    output = run(secret, "show")
    names = {line.partition("=")[0] for line in output.splitlines()}
    assert names == {field.name.upper() for field in fields(Settings)} - {"WARNINGS"}
    assert "hush" not in output


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
    assert f"port {port} is in use on this machine: set WSD_PORT in .env" in result.stderr


def test_ports_of_an_external_database_and_of_no_nginx_are_not_asked_for(
    settings: Settings,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        away = replace(settings, mongodb_host="db:1", mongodb_port=port, server_port=port)
        result = CliRunner().invoke(config, ["ports", "--no-nginx"], obj=Platform(away))
    assert str(port) not in result.output


def test_the_example_file_names_every_setting() -> None:
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert named == {field.name.upper() for field in fields(Settings)} - {"WARNINGS"}


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

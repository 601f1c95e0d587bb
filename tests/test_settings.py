"""Settings: where they come from, and that every bad one is named at once."""

from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.settings import PROJECT_DIR, SECRET_FIELDS, Settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget every variable of ours that the shell of these tests may have set."""
    monkeypatch.setenv("DEBUG", "True")
    for name in Settings.from_env(env_file=Path("/no.env")).as_environment():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def read(env_file: Path, text: str = "DEBUG=True") -> Settings:
    env_file.write_text(text, encoding="utf-8")
    return Settings.from_env(env_file=env_file)


def problems(env_file: Path, text: str) -> dict[str, str]:
    """Return {variable: what is wrong with it}."""
    with pytest.raises(SettingsError) as refused:
        read(env_file, text)
    return dict(line.split(": ", 1) for line in refused.value.problems)


def test_defaults_are_those_of_the_design(env_file: Path) -> None:
    settings = read(env_file)
    assert (settings.server_port, settings.mongodb_name) == (10080, "forecast_platform")
    assert settings.websocket_ping_interval_seconds == 30
    assert settings.websocket_timeout_seconds == 90
    assert settings.var_dir == PROJECT_DIR / "var"
    assert settings.warnings == ()


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_PORT", "20001")
    settings = read(env_file, "DEBUG=True\nAPI_PORT=20002\nWSD_PORT=20003\n")
    assert (settings.api_port, settings.wsd_port) == (20001, 20003)
    assert settings.mongodb_port == 10082


def test_a_changed_file_is_read_anew_by_the_same_process(env_file: Path) -> None:
    assert read(env_file, "DEBUG=True\nAPI_PORT=20001").api_port == 20001
    assert read(env_file, "DEBUG=True\nAPI_PORT=20002").api_port == 20002


def test_every_bad_variable_is_named_at_once(env_file: Path) -> None:
    text = (
        "DEBUG=perhaps\nAPI_PORT=high\nWSD_PORT=70000\nWSD_PROCESSES=0\nLOG_LEVEL=LOUD\n"
        "LEASE_SECONDS=-1\nMONGODB_NAME=a/b\nSERVER_PORT=\nCLOSES_PER_SECOND=1.5\n"
    )
    assert problems(env_file, text).keys() == {
        "DEBUG",
        "API_PORT",
        "WSD_PORT",
        "WSD_PROCESSES",
        "LOG_LEVEL",
        "LEASE_SECONDS",
        "MONGODB_NAME",
        "SERVER_PORT",
        "CLOSES_PER_SECOND",
    }


def test_without_debug_the_secret_key_and_the_hosts_are_required(env_file: Path) -> None:
    assert problems(env_file, "DEBUG=False").keys() == {"SECRET_KEY", "ALLOWED_HOSTS"}
    settings = read(env_file, f"SECRET_KEY={'k' * 43}\nALLOWED_HOSTS=a.example, b.example ,\n")
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert not settings.debug


def test_debug_makes_up_a_secret_key_for_one_process(env_file: Path) -> None:
    assert len(read(env_file).secret_key) >= 32
    assert read(env_file).secret_key != read(env_file).secret_key


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MONGODB_HOST=http://db", "MONGODB_HOST"),
        ("EMAIL_API_URL=mail.example", "EMAIL_API_URL"),
        ("MONGOD_BIN=/no/such/mongod", "MONGOD_BIN"),
        ("LEASE_SECONDS=8\nLEASE_RENEW_SECONDS=5", "LEASE_RENEW_SECONDS"),
    ],
)
def test_values_that_do_not_fit_are_refused(env_file: Path, text: str, name: str) -> None:
    assert problems(env_file, f"DEBUG=True\n{text}").keys() == {name}


@pytest.mark.parametrize(
    "text",
    [
        "API_PORT=10090",
        "MONGODB_PORT=10080",
        "WSD_PORT=10079\nWSD_PROCESSES=2",
        "WORKER_PORT=10089\nWORKER_PROCESSES=2",
    ],
)
def test_a_port_is_given_once(env_file: Path, text: str) -> None:
    (problem,) = problems(env_file, f"DEBUG=True\n{text}").values()
    assert "is given twice" in problem


def test_a_short_time_out_is_raised_with_a_warning(env_file: Path) -> None:
    text = "DEBUG=True\nWEBSOCKET_PING_INTERVAL_SECONDS=20\nWEBSOCKET_TIMEOUT_SECONDS=30"
    settings = read(env_file, text)
    assert settings.websocket_timeout_seconds == 60
    (warning,) = settings.warnings
    assert "WEBSOCKET_TIMEOUT_SECONDS=30" in warning


def test_three_intervals_are_long_enough(env_file: Path) -> None:
    text = "DEBUG=True\nWEBSOCKET_PING_INTERVAL_SECONDS=0.1\nWEBSOCKET_TIMEOUT_SECONDS=0.3"
    assert read(env_file, text).websocket_timeout_seconds == pytest.approx(0.3)


def test_a_secret_may_lie_in_a_file(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n", encoding="utf-8")
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))
    assert read(env_file, "DEBUG=True\nSECRET_KEY=from the variable").secret_key == "from the file"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xff"])
def test_a_secret_file_that_cannot_be_read_is_one_bad_variable_among_others(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))
    found = problems(env_file, "DEBUG=True\nAPI_PORT=high")
    assert found.keys() == {"SECRET_KEY_FILE", "API_PORT"}


def test_secrets_are_masked_wherever_settings_are_shown(env_file: Path) -> None:
    text = (
        "DEBUG=True\nSECRET_KEY=hush\n"
        "MONGODB_HOST=mongodb://root:pa%40ss@a.example:1,b.example:2/?tls=true\n"
    )
    settings = read(env_file, text)
    shown = settings.as_environment()
    assert shown["SECRET_KEY"] == "********"
    assert shown["MONGODB_HOST"] == "mongodb://root:********@a.example:1,b.example:2/?tls=true"
    assert settings.as_environment(masked=False)["SECRET_KEY"] == "hush"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("db.example:27017", "db.example:27017"),
        ("mongodb://db.example", "mongodb://db.example"),
        ("mongodb://root@db.example", "mongodb://root@db.example"),
        ("root:hush@db.example:27017", "root:********@db.example:27017"),
        ("mongodb+srv://root:hu//sh@db.example", "mongodb+srv://root:********@db.example"),
        ("mongodb://root:hu@sh@db.example", "mongodb://root:********@db.example"),
    ],
)
def test_a_databases_password_is_masked_however_it_is_written(
    env_file: Path, address: str, shown: str
) -> None:
    settings = read(env_file, f"DEBUG=True\nMONGODB_HOST={address}")
    assert settings.as_environment()["MONGODB_HOST"] == shown


def test_every_setting_is_shown_under_the_name_that_sets_it(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read(env_file)
    for name, value in settings.as_environment(masked=False).items():
        monkeypatch.setenv(name, value)
    again = Settings.from_env(env_file=env_file)
    assert again.as_environment(masked=False) == settings.as_environment(masked=False)
    assert {name.lower() for name in settings.as_environment()} >= SECRET_FIELDS


@pytest.mark.parametrize(
    ("text", "server", "url"),
    [
        ("MONGODB_PORT=20082", "embedded", "mongodb://127.0.0.1:20082/?directConnection=true"),
        ("MONGOD_BIN=/bin/true", "mongod", "mongodb://127.0.0.1:10082/?directConnection=true"),
        ("MONGODB_HOST=db.example:1", "external", "mongodb://db.example:1"),
        ("MONGODB_HOST=mongodb+srv://db.example", "external", "mongodb+srv://db.example"),
    ],
)
def test_the_database_server_is_the_given_one_or_a_mongod_or_the_embedded_one(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, text: str, server: str, url: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    settings = read(env_file, f"DEBUG=True\nVAR_DIR={env_file.parent}\n{text}")
    assert (settings.database_server, settings.database_url) == (server, url)


def test_a_name_that_sets_nothing_is_told_with_the_nearest_that_does(env_file: Path) -> None:
    text = (
        "DEBUG=True\nWSD_PORTS=1\nSECRET_KEY_FILE=\nCOLOUR_OF_THE_ROOF=red\nFORECAST_PLATFORM=x\n"
    )
    assert read(env_file, text).warnings == (
        "COLOUR_OF_THE_ROOF in .env is no setting",
        "WSD_PORTS in .env is no setting: did you mean WSD_PORT?",
    )


def test_every_value_knows_where_it_comes_from(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush")
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))
    monkeypatch.setenv("API_PORT", "20001")
    env_file.write_text("DEBUG=True\nAPI_PORT=20002\nWSD_PORT=20003\n")
    settings = Settings.from_env(env_file, running={"SERVER_PORT": "20004"})
    assert settings.server_port == 20004
    wanted = ("SECRET_KEY", "API_PORT", "WSD_PORT", "MONGODB_PORT", "SERVER_PORT")
    assert [settings.origins[name] for name in wanted] == [
        "environment (SECRET_KEY_FILE)",
        "environment",
        ".env",
        "default",
        "running platform",
    ]


def test_our_own_database_is_asked_with_its_password(env_file: Path, tmp_path: Path) -> None:
    (tmp_path / "database-password").write_text("hush\n")
    settings = read(env_file, f"DEBUG=True\nVAR_DIR={tmp_path}\nMONGODB_PORT=20082")
    assert settings.database_url.startswith("mongodb://platform:hush@127.0.0.1:20082/")
    assert "hush" not in repr(settings)


def test_settings_are_not_changed_by_accident(env_file: Path) -> None:
    with pytest.raises(AttributeError):
        read(env_file).debug = False


@pytest.mark.parametrize("origin", ["pages.example", "https://pages.example/", "null", "ftp://x"])
def test_what_is_no_origin_is_refused(env_file: Path, origin: str) -> None:
    text = f"DEBUG=True\nCORS_ORIGINS=https://pages.example, {origin}"
    assert origin in problems(env_file, text)["CORS_ORIGINS"]


def test_origins_stand_with_commas(env_file: Path) -> None:
    settings = read(env_file, "DEBUG=True\nCORS_ORIGINS=https://a.example, http://b.example:81")
    assert settings.cors_origins == ("https://a.example", "http://b.example:81")
    assert read(env_file).cors_origins == ()

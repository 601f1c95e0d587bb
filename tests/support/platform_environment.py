"""The settings of the platform that a test starts: its times are short, its ports free."""

import os
from pathlib import Path

from deploy import process_environment
from shared.settings import Settings
from tests.support.deafness import NO_ENV_FILE
from tests.support.ports import free_port, free_ports_in_a_row

NODES = 2
LEASE_SECONDS = 1.3
TIMEOUT_SECONDS = 1.6
GRACE_SECONDS = 0.5
# Out of the way for so long, every lease and every time-out has run out.
LONG_ENOUGH_SECONDS = 1.9
SHORT_TIMES = {
    "WEBSOCKET_PING_INTERVAL_SECONDS": 0.5,
    "WEBSOCKET_TIMEOUT_SECONDS": TIMEOUT_SECONDS,
    "PROTOCOL_PING_SECONDS": 0.5,
    "HEARTBEAT_FLUSH_SECONDS": 0.3,
    "LEASE_SECONDS": LEASE_SECONDS,
    "LEASE_RENEW_SECONDS": 0.25,
    "RECONCILE_SECONDS": 0.5,
    "COMMAND_POLL_SECONDS": 0.2,
    "TAKEOVER_PROBE_SECONDS": 0.6,
    "FREEZE_SECONDS": 0.8,
    "FREEZE_GRACE_SECONDS": GRACE_SECONDS,
}


def make_environment(directory: Path, database_port: int) -> dict[str, str]:
    """Return all that the processes are told; nothing of the developer's own settings gets in."""
    return {
        **NO_ENV_FILE,
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "DEBUG": "True",
        "SECRET_KEY": "k" * 43,
        "ALLOWED_HOSTS": "*",
        "LOG_LEVEL": "INFO",
        "VAR_DIR": str(directory),
        "NODE_NAME": "kill-test",
        "SERVER_PORT": str(free_port()),
        "API_PORT": str(free_port()),
        "WSD_HOST": "127.0.0.1",
        "WSD_PORT": str(free_ports_in_a_row(NODES)),
        "WSD_PROCESSES": str(NODES),
        "MAX_CONNECTIONS": "2000",
        "MONGODB_HOST": "",
        "MONGODB_NAME": "kill_tests",
        "MONGODB_PORT": str(database_port),
        **{name: str(seconds) for name, seconds in SHORT_TIMES.items()},
    }


def settings_of(env: dict[str, str]) -> Settings:
    """Read the settings as the processes do, and leave this process's environment as it was."""
    before = dict(os.environ)
    os.environ.update(env)
    try:
        return Settings.from_env(env_file=Path(env["VAR_DIR"]) / "no.env")
    finally:
        os.environ.clear()
        os.environ.update(before)


def lay_out_nginx(env: dict[str, str], directory: Path) -> list[str]:
    """Write nginx.conf as `manage.sh up` does, and return supervisord's command."""
    settings = settings_of(env)
    prefix = directory / "run" / "nginx"
    prefix.mkdir(parents=True)
    (directory / "logs").mkdir(exist_ok=True)
    files = process_environment.open_files(settings.max_connections, 4096)
    (prefix / "nginx.conf").write_text(process_environment.nginx_conf(settings, files))
    values = process_environment.environment(settings, files)
    command = [values["NGINX_PATH"], "-p", f"{prefix}/", "-c", "nginx.conf", "-e", "stderr"]
    return [*command, "-g", values["NGINX_GLOBALS"]]

"""What manage.sh, supervisord.conf and nginx.conf must know, made of the settings."""

import getpass
import os
import re
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from shared.settings import PROJECT_DIR, Settings

# Log files, listeners, kept-alive connections to the api, epoll and the like.
SPARE_FILES = 512
# What counts as the limit where there is none.
UNLIMITED_FILES = 2**20
# One address has no more ports: as good as no limit.
NO_LIMIT = 65535


@dataclass(frozen=True, kw_only=True)
class OpenFiles:
    """How many files a process may open, and what becomes of it in nginx."""

    limit: int
    nginx_connections: int
    warning: str | None = None


def allowed_open_files() -> int:
    """Return how many files a process on this machine may open at most."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED_FILES if hard == resource.RLIM_INFINITY else hard


def open_files(max_connections: int, hard_limit: int) -> OpenFiles:
    """Take what nginx needs, two a module and some, but never more than the machine allows."""
    needed = 2 * max_connections + SPARE_FILES
    if needed <= hard_limit:
        return OpenFiles(limit=needed, nginx_connections=needed)
    possible = max(0, hard_limit - SPARE_FILES) // 2
    return OpenFiles(
        limit=hard_limit,
        nginx_connections=hard_limit,
        warning=f"MAX_CONNECTIONS={max_connections} needs {needed} open files and this machine "
        f"allows {hard_limit} (ulimit -Hn): about {possible} modules can connect through nginx",
    )


def environment(settings: Settings, files: OpenFiles) -> dict[str, str]:
    """Return the names that supervisord.conf, database.sh and manage.sh use.

    Ports, paths and counts, and what the caller's environment says: what stands in the environment
    of supervisord is fixed until it is started again, while `.env` is read anew by every process
    that is restarted.
    """
    ours = settings.database_server != "external"
    return _given_by_environment(settings) | {
        "VAR_DIR": str(settings.var_dir),
        "SERVER_HOST": settings.server_host,
        "SERVER_ADDRESS": loopback_of(settings.server_host),
        "SERVER_PORT": str(settings.server_port),
        "WEB_PORT": str(settings.web_port),
        "API_PORT": str(settings.api_port),
        "WORKER_PORT": str(settings.worker_port),
        "WORKER_PROCESSES": str(settings.worker_processes),
        "WSD_HOST": settings.wsd_host,
        "WSD_ADDRESS": loopback_of(settings.wsd_host),
        "WSD_PORT": str(settings.wsd_port),
        "WSD_PROCESSES": str(settings.wsd_processes),
        "MONGODB_PORT": str(settings.mongodb_port),
        "DATABASE_SERVER": settings.database_server,
        "DATABASE_PROCESSES": "1" if ours else "0",
        "MONGOD_PATH": settings.mongod_path,
        "OPEN_FILES": str(files.limit),
        "PLATFORM_USER": getpass.getuser(),
        "PROBE_HOST": probe_host(settings),
        "NGINX_PATH": shutil.which("nginx") or shutil.which("/usr/sbin/nginx") or "",
        "NGINX_GLOBALS": nginx_globals(settings.var_dir, is_root=os.geteuid() == 0),
    }


def _given_by_environment(settings: Settings) -> dict[str, str]:
    values = settings.as_environment(masked=False)
    origins = settings.origins
    return {n: v for n, v in values.items() if origins.get(n, "").startswith("environment")}


def nginx_conf(settings: Settings, files: OpenFiles) -> str:
    """Fill in nginx.conf; a name that is unknown here is a KeyError."""
    host = loopback_of(settings.wsd_host)
    ports = range(settings.wsd_port, settings.wsd_port + settings.wsd_processes)
    values = {
        "LISTEN": "\n        ".join(
            f"listen {bracketed(settings.server_host)}:{port} backlog=4096;"
            for port in _doors(settings)
        ),
        "API_PORT": str(settings.api_port),
        "WSD_SERVERS": "\n        ".join(
            f"server {bracketed(host)}:{port} max_fails=0;" for port in ports
        ),
        "NGINX_OPEN_FILES": str(files.limit),
        "NGINX_CONNECTIONS": str(files.nginx_connections),
        "CONNECTIONS_PER_ADDRESS": str(settings.max_connections_per_address or NO_LIMIT),
    }
    template = (PROJECT_DIR / "nginx.conf").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], template)


def _doors(settings: Settings) -> list[int]:
    """Return the ports that nginx listens on: one, or another one for browsers besides."""
    return list(dict.fromkeys([settings.server_port, settings.web_port]))


def nginx_globals(var_dir: Path, *, is_root: bool) -> str:
    """Return the directives that depend on the user that starts nginx.

    Workers started by root give up their rights, unless the account that they would take cannot
    reach the directory of their temporary files (a checkout in /root): then large bodies would fail.
    """
    if not is_root:
        return "daemon off;"
    ways = [var_dir, *var_dir.parents]
    reachable = all(way.stat().st_mode & 0o001 for way in ways if way.exists())
    user = "www-data" if reachable and _user_exists("www-data") else "root"
    return f"daemon off; user {user};"


def probe_host(settings: Settings) -> str:
    """Return a Host that the api accepts, for probes from this machine."""
    first = next(iter(settings.allowed_hosts), "*")
    return "localhost" if first == "*" else first.lstrip(".")


def loopback_of(host: str) -> str:
    """Return where this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def bracketed(host: str) -> str:
    """Return a host as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host


def _user_exists(name: str) -> bool:
    lines = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
    return any(line.startswith(f"{name}:") for line in lines)

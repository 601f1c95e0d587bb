"""What doctor asks this machine: the platform's ports, nginx, the limit of open files, the disk."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

from cli.checks.check import Check, fail, ok, warn
from deploy import disk_space, process_environment
from shared.settings import Settings

# To connect, and between two bytes of the answer.
TIMEOUT_SECONDS = (1.0, 2.0)


def check_services(settings: Settings) -> list[Check]:
    """Ask every process of the platform on this machine whether it is well, all at once."""
    wsd_host = _host(settings.wsd_host)
    api = f"http://127.0.0.1:{settings.api_port}"
    front = f"http://{_host(settings.server_host)}:{settings.server_port}"
    probe = partial(_probe, process_environment.probe_host(settings))
    questions: list[Callable[[], Check]] = [partial(probe, "api", f"{api}/healthz")]
    for index in range(settings.worker_processes):
        address = f"http://127.0.0.1:{settings.worker_port + index}/healthz"
        questions.append(partial(probe, f"worker_{index}", address))
    for index in range(settings.wsd_processes):
        address = f"http://{wsd_host}:{settings.wsd_port + index}/healthz"
        questions.append(partial(probe, f"wsd_{index}", address))
    questions.append(partial(probe, "nginx", f"{front}/healthz"))
    questions.append(partial(probe, "ready", f"{front}/readyz"))
    with ThreadPoolExecutor(max_workers=len(questions)) as pool:
        return list(pool.map(lambda ask: ask(), questions))


def _host(host: str) -> str:
    return process_environment.bracketed(process_environment.loopback_of(host))


def _probe(host_header: str, name: str, url: str) -> Check:
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the operator's shell knows nothing of our ports
        try:
            answer = session.get(url, headers={"Host": host_header}, timeout=TIMEOUT_SECONDS)
        except requests.ConnectionError:
            return fail(name, f"no process listens at {url}", "start it: ./manage.sh up")
        except requests.RequestException:
            advice = f"see its log: ./manage.sh logs; restart it: ./manage.sh restart {name.partition('_')[0]}"
            return fail(name, f"{url} does not answer in time", advice)
    if answer.status_code != requests.codes.ok:
        return fail(name, f"{url} answers {answer.status_code}", "see ./manage.sh logs")
    return ok(name, f"{url} answers in {answer.elapsed.total_seconds() * 1000:.0f} ms")


def check_nginx_binary() -> Check:
    """Look for nginx, where systems put it outside the PATH of ordinary users, too."""
    path = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if path:
        return ok("nginx binary", path)
    return fail("nginx binary", "not installed", "install it (apt install nginx)")


def check_open_files(settings: Settings) -> Check:
    """Compare MAX_CONNECTIONS with what this machine allows."""
    allowed = process_environment.allowed_open_files()
    warning = process_environment.open_files(settings.max_connections, allowed).warning
    if warning:
        return warn("open files", warning, "raise ulimit -Hn, or lower MAX_CONNECTIONS")
    return ok("open files", f"{allowed} allowed, MAX_CONNECTIONS={settings.max_connections} fits")


def check_disk_space(settings: Settings) -> Check:
    """Look how much may still be written; a database on a full disk takes nothing any more."""
    free = disk_space.free_bytes(settings.var_dir)
    found = f"{free / 2**30:.1f} GiB free for {settings.var_dir}"
    if free < disk_space.FULL_BYTES:
        return fail("disk", found, "make space: nothing can be registered or recorded")
    if free < disk_space.EARLY_BYTES:
        return warn("disk", found, "make space before the database stops taking writes")
    return ok("disk", found)

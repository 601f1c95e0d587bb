"""What the processes are told: numbers of files, addresses, users."""

import configparser
import re
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import process_environment
from shared.settings import PROJECT_DIR, Settings


def test_two_files_for_each_module_and_some_to_spare() -> None:
    files = process_environment.open_files(8000, 20_000)
    assert files.limit == files.nginx_connections == 16_512
    assert files.warning is None


def test_never_more_files_than_the_machine_allows() -> None:
    files = process_environment.open_files(8000, 4096)
    assert files.limit == files.nginx_connections == 4096
    assert files.warning is not None
    assert "MAX_CONNECTIONS=8000" in files.warning
    assert "about 1792 modules" in files.warning


def test_nginx_knows_every_wsd(settings: Settings) -> None:
    several = replace(settings, wsd_port=7000, wsd_processes=3, wsd_host="0.0.0.0")
    text = process_environment.nginx_conf(several, process_environment.open_files(10, 1024))
    assert re.findall(r"server 127\.0\.0\.1:(700\d) max_fails=0;", text) == ["7000", "7001", "7002"]
    assert "@" not in re.sub(r"#.*|@named", "", text)


@pytest.mark.parametrize(
    ("host", "listen"),
    [
        ("0.0.0.0", "listen 0.0.0.0:7080 "),
        ("192.0.2.7", "listen 192.0.2.7:7080 "),
        ("::", "listen [::]:7080 "),
    ],
)
def test_nginx_listens_where_it_is_told(settings: Settings, host: str, listen: str) -> None:
    there = replace(settings, server_host=host, server_port=7080)
    text = process_environment.nginx_conf(there, process_environment.open_files(10, 1024))
    assert listen in text


def test_a_server_of_every_address_is_asked_on_loopback(settings: Settings) -> None:
    there = replace(settings, server_host="::", wsd_host="192.0.2.7")
    told = process_environment.environment(there, process_environment.open_files(10, 1024))
    assert (told["SERVER_ADDRESS"], told["WSD_ADDRESS"]) == ("::1", "192.0.2.7")


def test_no_limit_of_connections_is_the_number_of_ports_of_an_address(settings: Settings) -> None:
    text = process_environment.nginx_conf(settings, process_environment.open_files(10, 1024))
    assert "limit_conn by_address 65535;" in text


@pytest.mark.parametrize(
    ("allowed", "host"),
    [(("*",), "localhost"), ((".example.com",), "example.com"), (("a.b", "c"), "a.b")],
)
def test_probes_call_themselves_what_the_api_accepts(
    settings: Settings, allowed: tuple[str, ...], host: str
) -> None:
    assert process_environment.probe_host(replace(settings, allowed_hosts=allowed)) == host


def test_workers_of_a_root_keep_their_rights_only_where_they_could_not_work(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert (
        process_environment.nginx_globals(closed / "var", is_root=True) == "daemon off; user root;"
    )
    assert process_environment.nginx_globals(closed / "var", is_root=False) == "daemon off;"


def test_supervisord_asks_for_nothing_that_it_is_not_told(settings: Settings) -> None:
    parser = configparser.RawConfigParser()
    parser.read(PROJECT_DIR / "supervisord.conf")
    text = (PROJECT_DIR / "supervisord.conf").read_text()
    told = set(process_environment.environment(settings, process_environment.open_files(1, 1024)))
    by_manage_sh = {"SUPERVISOR_SOCKET"}
    assert set(re.findall(r"%\(ENV_([A-Z_]+)\)s", text)) <= told | by_manage_sh


def test_the_database_stops_last_and_the_watchdog_first() -> None:
    parser = configparser.RawConfigParser()
    parser.read(PROJECT_DIR / "supervisord.conf")
    priorities = {
        name.partition(":")[2]: parser.getint(name, "priority")
        for name in parser.sections()
        if parser.has_option(name, "priority")
    }
    assert sorted(priorities, key=priorities.__getitem__) == [
        "database",
        "nginx",
        "api",
        "worker",
        "wsd",
        "watchdog",
    ]

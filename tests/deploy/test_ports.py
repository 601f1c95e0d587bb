"""Why a port cannot be had, and where the others lie beside the first."""

import errno
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from deploy import ports
from shared.settings import Settings
from tests.support.ports import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.fixture
def free(settings: Settings) -> Settings:
    names = ("server_port", "api_port", "worker_port", "wsd_port", "mongodb_port")
    own = replace(settings, **{name: free_port() for name in names})
    return replace(own, web_port=own.server_port)


def test_free_ports_are_no_obstacle(free: Settings) -> None:
    assert ports.find_obstacles(free) == []


def test_a_port_in_use_is_named_with_a_way_out(free: Settings, taken: int) -> None:
    crowded = replace(free, wsd_port=taken - 1, wsd_processes=2)
    said = ports.find_obstacles(crowded)
    assert f"WSD_PORT: port {taken} is in use on this machine: set another one in .env" in said
    assert said[-1].startswith("All ports at once: ./manage.sh up --port ")


def test_what_the_running_platform_holds_is_no_obstacle(free: Settings, taken: int) -> None:
    assert ports.find_obstacles(replace(free, api_port=taken), {taken}) == []


def test_a_missing_permission_is_called_permission(
    free: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind = socket.socket.bind

    def refuse(self: socket.socket, address: Any) -> None:
        if address[1] == 80:
            raise PermissionError(errno.EACCES, "Permission denied")
        bind(self, address)

    monkeypatch.setattr(socket.socket, "bind", refuse)
    (said,) = ports.find_obstacles(replace(free, server_port=80))
    assert said.startswith("SERVER_PORT: this user has no permission to open port 80")


def test_an_address_of_another_machine_is_called_so(free: Settings) -> None:
    (said,) = ports.find_obstacles(replace(free, server_host="192.0.2.1"))
    assert said.startswith("SERVER_HOST: cannot listen on 192.0.2.1: ")


def test_everything_moves_with_the_first_port(settings: Settings) -> None:
    assert ports.place_beside(22080, settings) == {
        "API_PORT": 22081,
        "MONGODB_PORT": 22082,
        "WORKER_PORT": 22083,
        "WSD_PORT": 22090,
    }


def test_a_port_that_was_set_elsewhere_stays(settings: Settings) -> None:
    said = dict(settings.origins) | {"API_PORT": ".env", "WSD_PORT": ".env"}
    elsewhere = replace(settings, origins=said, api_port=7000, wsd_port=10090)
    moved = ports.place_beside(22080, elsewhere)
    assert "API_PORT" not in moved
    assert moved["WSD_PORT"] == 22090


def test_a_port_of_roots_moves_alone(settings: Settings) -> None:
    assert ports.place_beside(80, settings) == {}

"""Quotas: new modules of one address in an hour, and modules in all; known ones always come in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.errors import DuplicateKeyError

from api import create_app
from shared.clock import utc_now
from shared.services.module_admin import delete_module
from shared.settings import Settings
from shared.store import Store
from tests.support.builders import ACTOR

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(settings: Settings, store: Store) -> MakeApp:
    """Make an api process of its own over the same database."""
    return lambda **limits: create_app(replace(settings, **limits), store)


def register(client: FlaskClient, name: str, address: str = "192.0.2.7") -> Any:
    """Register through nginx, which says where the caller is."""
    headers = {"X-Forwarded-For": address}
    return client.post("/module/register", json={"name": name}, headers=headers)


def register_all(apps: list[Flask], count: int) -> list[int]:
    """Register many modules over several processes at once; return the statuses."""

    def register_one(number: int) -> int:
        status: int = register(apps[number % len(apps)].test_client(), f"m-{number}").status_code
        return status

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(register_one, range(count)))


def test_without_a_quota_nothing_is_counted(make_app: MakeApp, store: Store) -> None:
    assert set(register_all([make_app()], 20)) == {201}
    assert store.quotas.take("4", utc_now(), 1)


def test_an_address_over_its_quota_is_told_when_to_come_back(make_app: MakeApp) -> None:
    client = make_app(registrations_per_address_and_hour=2).test_client()
    statuses = [register(client, name).status_code for name in ("a", "b", "c")]
    refused = register(client, "d")
    assert statuses == [201, 201, 429]
    assert refused.json["code"] == "4029"
    assert "2 new modules an hour" in refused.json["message"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 3601


def test_known_modules_may_always_register_again(make_app: MakeApp) -> None:
    limits = {"registrations_per_address_and_hour": 1, "max_modules": 1}
    client = make_app(**limits).test_client()
    assert register(client, "known").status_code == 201
    assert [register(client, "known").status_code for _ in range(5)] == [200] * 5
    changed = client.post("/module/register", json={"name": "known", "description": "new"})
    assert changed.json["result"]["revision"] == 2


def test_another_address_has_a_quota_of_its_own(make_app: MakeApp) -> None:
    client = make_app(registrations_per_address_and_hour=1).test_client()
    addresses = ["192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    statuses = [register(client, f"of {a}", a).status_code for a in addresses]
    assert statuses == [201, 201, 201, 429, 201]


def test_a_registration_that_tries_twice_counts_once(
    make_app: MakeApp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(registrations_per_address_and_hour=1).test_client()
    insert = store.modules.insert

    def lose_once(_modules: Any) -> list[Any]:
        """Come second to a process whose module is deleted again at once."""
        monkeypatch.setattr(store.modules, "insert", insert)
        return []

    monkeypatch.setattr(store.modules, "insert", lose_once)
    assert register(client, "a").status_code == 201
    assert register(client, "b").status_code == 429


def test_what_a_full_platform_refuses_is_not_counted(make_app: MakeApp) -> None:
    app = make_app(registrations_per_address_and_hour=2, max_modules=1)
    client = app.test_client()
    statuses = [register(client, name).status_code for name in ("a", "b", "c", "d")]
    assert statuses == [201, 409, 409, 409]


def test_only_nginx_may_say_where_a_caller_is(make_app: MakeApp) -> None:
    client = make_app(registrations_per_address_and_hour=1).test_client()
    client.environ_base["REMOTE_ADDR"] = "198.51.100.1"
    assert register(client, "a", "192.0.2.7").status_code == 201
    assert register(client, "b", "192.0.2.8").status_code == 429


def test_the_quota_of_an_address_holds_over_all_processes(make_app: MakeApp, store: Store) -> None:
    apps = [make_app(registrations_per_address_and_hour=7) for _ in range(2)]
    assert register_all(apps, 24) == [201] * 7 + [429] * 17
    assert store.modules.count() == 7


def test_the_next_hour_is_a_new_one(store: Store) -> None:
    now = utc_now().replace(minute=59)
    later = now + timedelta(hours=1)
    assert [store.quotas.take("a", now, 2) for _ in range(3)] == [True, True, False]
    assert [store.quotas.take("a", later, 2) for _ in range(3)] == [True, True, False]


def test_a_count_that_two_make_at_once_is_not_taken_for_a_full_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, collection = utc_now(), store.quotas._collection
    update_one = collection.update_one

    def lose_the_race(*arguments: Any, upsert: bool = False) -> Any:
        """Do what a server does when another process inserts between its search and its insert."""
        if not upsert:
            return update_one(*arguments)
        update_one(*arguments, upsert=True)
        raise DuplicateKeyError("E11000")

    monkeypatch.setattr(type(collection), "update_one", lambda _, *a, **kw: lose_the_race(*a, **kw))
    assert [store.quotas.take("a", now, 2) for _ in range(2)] == [True, False]


def test_counts_of_past_hours_are_not_kept(store: Store, plain_client: Any) -> None:
    now = utc_now()
    for hours, key in enumerate("abc"):
        store.quotas.take(key, now + timedelta(hours=hours), 5)
    (kept,) = plain_client[store.quotas._collection.database.name]["quotas"].find({})
    assert kept["_id"].endswith(" c")


def test_a_full_platform_takes_no_new_modules(make_app: MakeApp) -> None:
    client = make_app(max_modules=2).test_client()
    assert [register(client, name).status_code for name in ("a", "b")] == [201, 201]
    refused = register(client, "c")
    assert (refused.status_code, refused.json["code"]) == (409, "3004")
    assert "MAX_MODULES" in refused.json["message"]


@pytest.mark.parametrize("processes", [1, 3])
def test_the_number_of_modules_never_passes_its_limit(
    make_app: MakeApp, store: Store, processes: int
) -> None:
    apps = [make_app(max_modules=10) for _ in range(processes)]
    statuses = register_all(apps, 30)
    assert store.modules.count() == statuses.count(201) <= 10
    assert set(statuses) == {201, 409}


def test_room_for_some_of_a_batch_is_used(make_app: MakeApp, store: Store) -> None:
    assert register_all([make_app(max_modules=10)], 30) == [201] * 10 + [409] * 20
    assert store.modules.count() == 10


def test_a_deleted_module_makes_room(make_app: MakeApp, store: Store) -> None:
    limits = {"max_modules": 2}
    for name in ("a", "b"):
        register(make_app(**limits).test_client(), name)
    assert register(make_app(**limits).test_client(), "c").status_code == 409
    (module, _) = store.modules.stream()
    delete_module(store, module.module_hash, utc_now(), ACTOR)
    assert register(make_app(**limits).test_client(), "c").status_code == 201
    assert register(make_app(**limits).test_client(), "d").status_code == 409


def test_a_flood_of_new_modules_does_not_count_the_old_ones_on_and_on(
    make_app: MakeApp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(max_modules=1).test_client()
    register(client, "known")
    assert register(client, "new").status_code == 409
    monkeypatch.delattr(type(store.modules), "count")
    assert register(client, "newer").status_code == 409

"""What callers hear while the database is there and does not work as it should."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from api import create_app
from shared.settings import Settings
from shared.store import Store, connect
from tests.support.eventually import eventually
from tests.support.wire_proxy import Fault, WireProxy, cut, not_met, refusal, refused, stepped_down


@pytest.fixture
def far_client(settings: Settings, store: Store, wire_proxy: WireProxy) -> Iterator[FlaskClient]:
    """Calls an application that reaches the test's database through the proxy."""
    opened = connect(replace(settings, mongodb_host=wire_proxy.uri))
    yield create_app(settings, opened).test_client()
    opened.close()


CASES = {
    "no primary": stepped_down(),
    "write concern not met": (not_met(),),
    "not writable on the second write": (*stepped_down()[1:], stepped_down()[0]),
    "sockets closed": (cut(),),
    "a mongos without its shard": (refused(refusal(133, "FailedToSatisfyReadPreference")),),
    "shutting down": (refused(refusal(91, "ShutdownInProgress")),),
}


@pytest.mark.parametrize("name", CASES)
def test_a_write_is_answered_with_503_and_succeeds_afterwards(
    far_client: FlaskClient, wire_proxy: WireProxy, name: str
) -> None:
    with wire_proxy.injecting(*CASES[name]):
        for _ in range(3):
            answer = far_client.get("/module/register?name=load")
            assert (answer.status_code, answer.json["code"]) == (503, "5003")
            assert answer.headers["Retry-After"]
    eventually(lambda: far_client.get("/module/register?name=load").status_code == 200)
    modules = eventually(lambda: far_client.get("/module/list").json["result"])
    assert [module["name"] for module in modules] == ["load"]


def test_a_fault_of_ours_is_500_and_does_not_concern_others(
    far_client: FlaskClient, wire_proxy: WireProxy
) -> None:
    with wire_proxy.injecting(Fault(commands=frozenset({"insert"}), refuse_with=refusal(2, "Bad"))):
        answer = far_client.get("/module/register?name=load")
        assert (answer.status_code, answer.json["code"]) == (500, "3001")
        assert far_client.get("/module/list").status_code == 200

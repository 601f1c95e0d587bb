"""The bytes of a listing: the same as encoding all of it at once, and cut without encoding again."""

from datetime import timedelta
from typing import Any

import orjson

from api.http.envelope import encode
from api.listing_text import ListingText, write_listing
from shared.domain.presence import Presence, State
from shared.services.module_listing import ListedModule, to_item
from tests.support.builders import NOON, make_module, make_session


def make_listed(module_id: int = 1, **overrides: Any) -> ListedModule:
    values = {"last_alive_time": NOON} | overrides
    presence = Presence(state=State.ONLINE, reason=None, since=NOON, session=make_session())
    module = make_module(name=f"load-{module_id}", module_id=module_id, tags=("pilot",))
    return ListedModule(module=module, presence=presence, **values)


def read(text: ListingText) -> Any:
    return orjson.loads(text.body)


def numbers(text: ListingText) -> list[int]:
    return [item["module_id"] for item in read(text)["result"]]


def test_it_says_what_encoding_everything_at_once_would_say() -> None:
    listed = [make_listed(number) for number in range(1, 4)]
    expected = orjson.loads(encode([to_item(module) for module in listed]))
    assert read(write_listing(listed)) == expected
    assert read(write_listing([])) == orjson.loads(encode([]))


def test_modules_stand_in_the_order_of_their_numbers_however_they_come() -> None:
    assert numbers(write_listing(make_listed(number) for number in (3, 1, 2))) == [1, 2, 3]


def test_a_part_is_cut_out_of_the_whole() -> None:
    whole = write_listing(make_listed(number) for number in range(1, 6))
    part = whole.cut(entry for entry in whole.entries if entry.facets.module_id in (2, 4))
    assert part == write_listing([make_listed(2), make_listed(4)])
    assert numbers(part.cut(part.entries[1:])) == [4]


def test_the_etag_covers_all_that_is_said_times_included() -> None:
    earlier = write_listing([make_listed()])
    assert write_listing([make_listed()]).etag == earlier.etag
    later = NOON + timedelta(seconds=10)
    for other in ([make_listed(last_alive_time=later)], [make_listed(in_doubt=True)], []):
        assert write_listing(other).etag != earlier.etag

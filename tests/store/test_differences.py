"""An update names what changes, and nothing else."""

from shared.store.differences import differences


def test_only_what_changed_is_told() -> None:
    before = {"status": "running", "reason": None, "revision": 1}
    after = {"status": "succeeded", "reason": None, "revision": 2, "end_noted": True}
    assert differences(before, after) == {"status": "succeeded", "revision": 2, "end_noted": True}


def test_documents_in_lists_are_told_by_what_changed_in_each() -> None:
    before = {"steps": [{"name": "load", "tries": [{"at": 1, "ended_at": None}]}, {"name": "x"}]}
    after = {"steps": [{"name": "load", "tries": [{"at": 1, "ended_at": 2}]}, {"name": "y"}]}
    assert differences(before, after) == {"steps.0.tries.0.ended_at": 2, "steps.1.name": "y"}


def test_a_list_of_another_form_is_told_whole() -> None:
    tries = [{"at": 1}, {"at": 2}]
    for before in ([{"at": 1}], [], None, [1, 2]):
        assert differences({"tries": before}, {"tries": tries}) == {"tries": tries}


def test_the_keys_of_a_part_are_no_paths() -> None:
    assert differences({"detail": {"a.b": 1}}, {"detail": {"a.b": 2}}) == {"detail": {"a.b": 2}}


def test_what_is_gone_becomes_nothing() -> None:
    before = {"reason": "no_ack", "steps": [{"next_try_at": 1}]}
    after = {"steps": [{"status": "sent"}]}
    told = {"reason": None, "steps.0.next_try_at": None, "steps.0.status": "sent"}
    assert differences(before, after) == told

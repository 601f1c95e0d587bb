"""Results on disk survive what happens to disks and programs."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from forecast_module import results_store
from forecast_module.outcome import SUCCESS, Outcome
from forecast_module.protocol import Work
from forecast_module.records import PENDING, WORKING
from forecast_module.results_store import ResultsStore


def open_store(directory: Path) -> ResultsStore:
    return ResultsStore(directory, max_frame_bytes=1024 * 1024)


def finish(store: ResultsStore, message_id: str, result: object = "r") -> None:
    store.begin(Work(message_id, 1, {"type": "execute"}))
    store.finish(message_id, Outcome(SUCCESS, result=result))


def test_what_is_pending_is_there_after_a_restart_in_its_order(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for n in range(3):
        finish(store, f"m{n}")
    store.confirm("m0")
    again = open_store(tmp_path)
    sent = []
    while pending := again.next_pending():
        sent.append(pending[0])
        again.confirm(pending[0])
    assert sent == ["m1", "m2"]


def test_what_was_worked_on_is_there_after_a_restart(tmp_path: Path) -> None:
    open_store(tmp_path).begin(Work("m1", 2, {"args": 1}))
    [record] = open_store(tmp_path).unfinished()
    assert (record.id, record.attempt, record.message) == ("m1", 2, {"args": 1})
    assert (record.state, record.starts) == (WORKING, 1)


@pytest.mark.parametrize("name", ["../../up", "a/b", "ünï", "x" * 500, "\ud800", ""])
def test_ids_that_are_no_file_names_stay_in_the_directory(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path / "state")
    finish(store, name)
    assert len(list((tmp_path / "state").iterdir())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    record = open_store(tmp_path / "state").find(name)
    assert record is not None
    assert record.state == PENDING


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"id": 1}', b"\xff\x00", b"null"])
def test_a_damaged_file_is_set_aside_with_a_log_line(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    finish(open_store(tmp_path), "m1")
    [path] = tmp_path.iterdir()
    path.write_bytes(damage)
    store = open_store(tmp_path)
    assert store.next_pending() is None
    assert "is damaged; it is set aside as" in caplog.text
    assert [path.suffix for path in tmp_path.iterdir()] == [".corrupted"]


def test_a_file_of_a_later_version_is_read(tmp_path: Path) -> None:
    finish(open_store(tmp_path), "m1")
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b'{"id"', b'{"news": 1, "id"'))
    assert open_store(tmp_path).next_pending() is not None


def test_what_a_killed_program_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".abc.tmp").write_bytes(b'{"half')
    open_store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_old_results_make_room_those_that_are_stored_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_store, "MOST_RECORDS", 3)
    store = open_store(tmp_path)
    for n in range(4):
        finish(store, f"m{n}")
    store.confirm("m2")
    store.begin(Work("new", 1, None))
    kept = [n for n in range(4) if store.find(f"m{n}")]
    assert kept == [1, 3]  # m0 was the oldest, and then m2 was stored
    assert store.find("new") is not None


def test_results_of_last_week_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    finish(store, "m1")
    store.confirm("m1")
    later = time.time() + 8 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert open_store(tmp_path).find("m1") is None
    assert list(tmp_path.iterdir()) == []


def test_large_results_are_bounded_by_their_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_store, "MOST_BYTES", 300_000)
    store = open_store(tmp_path)
    for n in range(6):
        finish(store, f"m{n}", "x" * 100_000)
        store.confirm(f"m{n}")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 400_000
    assert store.find("m5") is not None


def test_a_directory_that_cannot_be_written_costs_a_log_line_and_no_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    store = open_store(tmp_path / "file" / "state")
    finish(store, "m1")
    assert store.next_pending() is not None
    store.confirm("m1")
    assert store.next_pending() is None
    assert "in memory" in caplog.text


def test_a_full_disk_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    store.begin(Work("m1", 1, None))
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "replace", fail)
        store.finish("m1", Outcome(SUCCESS, result=1))
    assert store.next_pending() is not None
    assert [record.id for record in open_store(tmp_path).unfinished()] == ["m1"]
    assert not list(tmp_path.glob("*.tmp"))


def test_a_record_from_the_future_counts_as_new(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    finish(store, "m1")
    record = store.find("m1")
    assert record is not None
    store._put(replace(record, at=time.time() + 1e9))
    again = open_store(tmp_path).find("m1")
    assert again is not None
    assert again.at <= time.time()

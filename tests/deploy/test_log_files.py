"""Logs that processes write themselves stay short, and their writers notice nothing."""

import shutil
from pathlib import Path

import pytest

from deploy import log_files
from deploy.log_files import shorten_logs


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MAX_BYTES", 10)


def test_a_log_is_put_aside_under_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "nginx-access.log"
    with path.open("ab", buffering=0) as log:
        for number in range(1, 9):
            log.write(b"a long line %d\n" % number)
            shorten_logs(tmp_path)
            assert path.read_bytes() == b""
        log.write(b"short")
        shorten_logs(tmp_path)
    assert path.read_bytes() == b"short"
    kept = {backup.suffix: backup.read_bytes() for backup in tmp_path.glob("*.log.*")}
    assert kept == {f".{age}": b"a long line %d\n" % (9 - age) for age in range(1, 6)}


def test_logs_of_supervisord_are_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "api.log").write_bytes(b"a long line\n")
    shorten_logs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["api.log"]


def test_a_full_disk_costs_the_old_lines_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fill)
    (tmp_path / "database.log").write_bytes(b"a long line\n")
    shorten_logs(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"database.log": b""}

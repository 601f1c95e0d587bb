"""A machine has one id, whatever NODE_NAME it is given."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wsd.machine_id import read_machine_id


def test_the_systems_id_is_used_and_not_shown(tmp_path: Path) -> None:
    system = tmp_path / "etc-machine-id"
    system.write_text("0123456789abcdef0123456789abcdef\n")
    shown = read_machine_id(tmp_path, system)
    assert shown == read_machine_id(tmp_path / "elsewhere", system)
    assert len(shown) == 12
    assert shown not in system.read_text()


def test_machines_differ(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    assert read_machine_id(tmp_path, tmp_path / "a") != read_machine_id(tmp_path, tmp_path / "b")


def test_without_a_systems_id_one_is_made_and_kept(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()  # as in many container images
    var_dir = tmp_path / "var"
    made = read_machine_id(var_dir, empty)
    assert made == read_machine_id(var_dir, empty) == read_machine_id(var_dir, tmp_path / "none")
    assert made != read_machine_id(tmp_path / "another", empty)
    assert [path.name for path in var_dir.iterdir()] == ["machine-id"]


def test_processes_that_start_at_once_have_one_id(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: read_machine_id(tmp_path, tmp_path / "none"), range(8)))
    assert len(ids) == 1

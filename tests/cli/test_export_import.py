"""platformctl export and import: files, pipes, and what is said about them."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.support.registry import Registry
from tests.support.tampering import remove_module


@pytest.fixture
def exported(registry: Registry, run: Run, tmp_path: Path) -> Path:
    """The export of one module, which is then deleted here."""
    module = registry.register()
    file = tmp_path / "registry.ndjson"
    assert run("export", str(file)).exit_code == 0
    remove_module(registry.store, module.module_hash)
    return file


def test_a_file_brings_back_what_was_exported(exported: Path, registry: Registry, run: Run) -> None:
    result = run("import", str(exported))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        "Imported 1 module, 0 workflows, 0 events (1 document in all); there already: 1 document.\n"
    )
    assert [module.name for module in registry.store.modules.stream()] == ["load-forecast"]


def test_pipes_work_as_files_do(exported: Path, registry: Registry, run: Run) -> None:
    assert run("import", "-", answer=exported.read_bytes()).exit_code == 0
    result = run("export", "-")
    assert result.stdout.count("\n") == exported.read_bytes().count(b"\n")
    assert result.stderr.startswith("Exported 1 module, 0 workflows, 1 event (")
    assert result.stderr.endswith(" in all) to standard output.\n")


def test_an_export_does_not_replace_a_file_unasked(exported: Path, run: Run) -> None:
    before = exported.read_bytes()
    refused = run("export", str(exported))
    assert refused.exit_code == 1
    assert refused.stderr == f"Error: {exported} exists already: --force replaces it.\n"
    assert exported.read_bytes() == before
    forced = run("export", str(exported), "--force")
    assert forced.stderr.endswith(f" in all) to {exported}.\n")
    assert exported.read_bytes() != before


def test_an_export_is_for_its_owner_only(exported: Path) -> None:
    assert exported.stat().st_mode & 0o777 == 0o600


def test_an_export_that_fails_leaves_the_last_one(
    exported: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = exported.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shared.services.export_import.encode", fail)
    result = run("export", str(exported), "--force")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert exported.read_bytes() == before
    assert list(exported.parent.glob("*.part")) == []


def test_a_registry_in_use_is_not_mixed_up_by_accident(
    exported: Path, registry: Registry, run: Run
) -> None:
    registry.register("here")
    result = run("import", str(exported))
    assert result.exit_code == 1
    assert "add to them with --merge" in result.stderr


def test_merging_says_how_many_modules_got_a_new_number(
    exported: Path, registry: Registry, run: Run
) -> None:
    registry.store.counters._collection.update_one({"_id": "module_id"}, {"$set": {"value": 0}})
    registry.register("here")
    result = run("import", str(exported), "--merge")
    assert result.exit_code == 0
    assert "; 1 module with a new number, as theirs is taken.\n" in result.stderr


def test_a_damaged_file_is_one_sentence(exported: Path, run: Run) -> None:
    exported.write_bytes(exported.read_bytes()[:-20])
    result = run("import", str(exported))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Line ")
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    result = run("import", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "No such file" in result.stderr


def test_a_directory_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    result = run("export", str(tmp_path / "none" / "file"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr

"""platformctl export, import: a registry as a file."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import rich_click as click

from cli import render
from cli.context import Platform, pass_platform
from shared.clock import utc_now

STANDARD = "-"
# Far more than any document takes as text: a file without line ends must not fill the memory.
LONGEST_LINE = 128 * 2**20
# Whole collections are read: that takes longer than a command's one question.
CALL_TIMEOUT_MS = 60_000


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--force", is_flag=True, help="Replace FILE if there is one.")
@pass_platform
def export_registry(platform: Platform, file: str, force: bool) -> None:
    """Write all modules, their history and the counters to FILE (- = standard output).

    The platform may run meanwhile.
    """
    from shared.services import export_import

    if not force and file != STANDARD and Path(file).is_file():
        raise click.ClickException(f"{file} exists already: --force replaces it.")
    tally: Counter[str] = Counter()
    with (
        platform.open_store(timeout_ms=CALL_TIMEOUT_MS) as store,
        _open_for_writing(file) as out,
        render.progress("Exporting", store.dump.estimate()) as report,
    ):
        for number, line in enumerate(export_import.export_registry(store, utc_now(), tally)):
            out.write(line.encode() + b"\n")
            report(number)
    place = "standard output" if file == STANDARD else file
    render.say(f"Exported {_tell(tally)} to {place}.")


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--merge", is_flag=True, help="Add to a registry that is not empty.")
@pass_platform
def import_registry(platform: Platform, file: BinaryIO, merge: bool) -> None:
    """Add what an export holds to this database (- = standard input).

    Modules arrive offline. What exists here already stays as it is, so an import that was
    interrupted is repeated with --merge.
    """
    from shared.services import export_import

    with (
        platform.open_store(timeout_ms=CALL_TIMEOUT_MS) as store,
        render.progress("Importing", _size_of(file)) as report,
    ):
        lines = _read_lines(file, report)
        imported = export_import.import_registry(store, lines, utc_now(), merge=merge)
    told = f"Imported {_tell(imported.tally)}"
    if imported.existing:
        told += f"; there already: {_count(imported.existing, 'document')}"
    if imported.renumbered:
        told += f"; {_count(imported.renumbered, 'module')} with a new number, as theirs is taken"
    render.say(f"{told}.")


def _tell(tally: Counter[str]) -> str:
    """Return what was carried: what people know by name, and how many documents that is in all."""
    named = ", ".join(_count(tally[f"{word}s"], word) for word in ("module", "workflow", "event"))
    return f"{named} ({_count(tally.total(), 'document')} in all)"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


@contextmanager
def _open_for_writing(name: str) -> Iterator[BinaryIO]:
    """Open a file that appears under its name when it is complete, and not before."""
    if name == STANDARD:
        yield sys.stdout.buffer
        return
    unfinished = Path(f"{name}.part")
    try:
        with unfinished.open("wb") as file:
            unfinished.chmod(0o600)
            yield file
        unfinished.replace(name)
    except OSError as error:
        raise click.FileError(name, str(error.strerror)) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _size_of(file: BinaryIO) -> int | None:
    """Return the bytes that a file has; None for a pipe."""
    if not file.seekable():
        return None
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _read_lines(file: BinaryIO, report: Callable[[int], object]) -> Iterator[bytes]:
    done = 0
    while line := file.readline(LONGEST_LINE):
        done += len(line)
        report(done)
        yield line

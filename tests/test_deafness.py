"""The tests run in any folder, whatever the shell that starts them says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import PROJECT_DIR, variables

FOLDER = "负荷 预测 (二) [x] $HOME 'it\"s"
NEEDED = ("api", "cli", "deploy", "shared", "tests", "worker", "wsd")
# Those that read settings in many ways: in process, by a command, in gunicorn, in a shell, in nginx.
CHOSEN = (
    "tests/test_settings.py",
    "tests/cli/test_config.py",
    "tests/deploy/test_gunicorn_conf.py",
    "tests/deploy/test_process_environment.py",
    "tests/nginx/test_nginx.py::test_passes_a_request_on_as_it_came",
    "tests/cli/test_process.py::test_a_reader_that_goes_early_is_no_crash",
    "tests/cli/test_process.py::test_our_own_database_that_is_down_is_started_with_up",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code in a folder with an awkward name, with a .env that nothing could run with."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    for path in PROJECT_DIR.iterdir():
        if path.is_file() and path.name != ".env":
            shutil.copy(path, folder)
    for name in NEEDED:
        unneeded = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT_DIR / name, folder / name, ignore=unneeded)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".env").write_text("".join(f"{name}=nonsense\n" for name in variables()))
    return folder


def test_the_tests_run_in_an_awkward_folder_with_every_setting_exported(checkout: Path) -> None:
    nonsense = {key: "nonsense" for name in variables() for key in (name, f"{name}_FILE")}
    done = subprocess.run(
        [
            str(checkout / ".venv/bin/python"),
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *CHOSEN,
        ],
        cwd=checkout,
        env=os.environ | nonsense | {"http_proxy": "http://127.0.0.1:9", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]

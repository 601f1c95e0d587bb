"""What gunicorn imports: the application, or a sentence that says why there is none."""

import os
import subprocess
import sys

import pytest

from shared.settings import PROJECT_DIR


def import_wsgi(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import wsgi; print(wsgi.app.name)"],
        cwd=PROJECT_DIR,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_application_needs_no_database_to_start() -> None:
    done = import_wsgi(DEBUG="True", MONGODB_HOST="127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "api"


@pytest.mark.parametrize(
    ("name", "value"),
    [("API_WORKERS", "many"), ("MONGODB_HOST", "mongodb://nowhere:port/?oh=no")],
)
def test_bad_settings_end_in_a_sentence(name: str, value: str) -> None:
    done = import_wsgi(**{"DEBUG": "True", name: value})
    assert done.returncode == 3  # gunicorn takes this as: do not start another worker
    assert name in done.stderr
    assert "Traceback" not in done.stderr

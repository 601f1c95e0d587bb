"""What the shell that starts the tests says, and the developer's own `.env`, must change nothing."""

import os
import tempfile

from shared.settings import variables

# An empty file: what tests start reads no `.env` of this checkout.
NO_ENV_FILE = {"FORECAST_ENV_FILE": os.devnull}
OF_TOOLS = ("http_proxy", "https_proxy", "all_proxy", "no_color", "force_color", "columns", "lines")


def forget_the_caller() -> None:
    """Remove from the environment, for good, what would reach the platform or the tools it uses."""
    ours = {key for name in variables() for key in (name, f"{name}_FILE")}
    for name in list(os.environ):
        if name in ours or name.startswith("FORECAST_") or name.lower() in OF_TOOLS:
            del os.environ[name]
    # Nor is the developer's running platform found, which lies in this checkout's `var`.
    os.environ.update(NO_ENV_FILE, VAR_DIR=tempfile.gettempdir())

"""What gunicorn serves."""

import sys

from api import create_app
from shared.errors import SettingsError
from shared.logs import configure_logging
from shared.settings import Settings

# To gunicorn, this code of a worker says that the next one would end the same way.
WORKER_BOOT_ERROR = 3

try:
    settings = Settings.from_env()
    configure_logging(settings, "api")
    app = create_app(settings)
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(WORKER_BOOT_ERROR)

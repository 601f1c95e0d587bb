"""What gunicorn serves."""

import sys

from api import create_app
from shared.errors import SettingsError
from shared.logs import configure_logging
from shared.settings import Settings

try:
    settings = Settings.from_env()
    configure_logging(settings, "api")
    app = create_app(settings)
except SettingsError as error:
    sys.exit(str(error))

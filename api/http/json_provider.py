"""Flask's JSON, by orjson: strict, fast, and blind to what MongoDB's JSON would turn into objects."""

from typing import Any

import orjson
from flask.json.provider import JSONProvider


class OrjsonProvider(JSONProvider):
    """Read and write JSON as the platform's answers do."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write JSON; Flask's and json's own options mean nothing here."""
        return orjson.dumps(obj, option=orjson.OPT_UTC_Z).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON; raises ValueError."""
        return orjson.loads(s)

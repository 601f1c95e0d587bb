"""The limit of listings: a Flask route that has the bytes already."""

import os
from pathlib import Path

from flask import Flask, Response

app = Flask(__name__)
body = Path(os.environ["BARE_BODY"]).read_bytes()


@app.get("/module/online")
def answer() -> Response:
    """Answer with the bytes."""
    return Response(body, content_type="application/json")

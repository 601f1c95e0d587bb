"""CORS: scripts of the web pages that CORS_ORIGINS names may call the API; off without any."""

from flask import Flask, Response, request

METHODS = "GET, HEAD, POST"
SENT = "Content-Type, Idempotency-Key, If-None-Match, X-Request-ID"
READ = "ETag, Link, Retry-After, X-Request-ID"
ASK_AGAIN_SECONDS = 600


def allow_origins(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of these origins (`*` is any) call an application."""
    if not origins:
        return
    allowed = {origin.lower() for origin in origins}

    def find_allowed() -> str | None:
        """Return what an answer to this request says; None for a page that is not allowed."""
        if "*" in allowed:
            return "*"
        origin = request.headers.get("Origin", "")
        return origin if origin.lower() in allowed else None

    def answer_preflight() -> Response | None:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks or find_allowed() is None:
            return None
        response = Response(status=204)
        del response.headers["Content-Type"]  # there is no content
        return response

    def mark(response: Response) -> Response:
        response.vary.add("Origin")
        origin = find_allowed()
        if origin is not None and "Origin" in request.headers:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = READ
            if response.status_code == 204:
                response.headers["Access-Control-Allow-Methods"] = METHODS
                response.headers["Access-Control-Allow-Headers"] = SENT
                response.headers["Access-Control-Max-Age"] = str(ASK_AGAIN_SECONDS)
        return response

    app.before_request(answer_preflight)
    app.after_request(mark)

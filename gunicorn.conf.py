"""How gunicorn serves the HTTP API; read again at every HUP (`./manage.sh deploy`)."""

from pathlib import Path

from shared.settings import Settings

_settings = Settings.from_env()
_shared_memory = Path("/dev/shm")  # noqa: S108

bind = f"127.0.0.1:{_settings.api_port}"
backlog = 4096
worker_class = "api.worker.EnvelopeWorker"
workers = _settings.api_workers
threads = _settings.api_threads

timeout = 30
graceful_timeout = 5
# Longer than nginx keeps an idle connection to us (nginx.conf: keepalive_timeout of the upstream):
# whoever closes first races with a request on its way, and nginx may not repeat a POST.
keepalive = 75

# nginx has judged lines and headers before us, and a legal GET registration is longer than the
# default line.
limit_request_line = 0
limit_request_field_size = 2**20
limit_request_fields = 32768
# nginx sets this one; the others that gunicorn knows are the client's claims, and two that differ
# would be refused.
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}

# All masters of one user would share this socket, those of other checkouts too.
control_socket_disable = True
# Workers prove that they live by touching a file: a stalled disk must not get them killed.
worker_tmp_dir = str(_shared_memory) if _shared_memory.is_dir() else None

accesslog = None  # nginx writes one
errorlog = "-"
loglevel = _settings.log_level.lower()

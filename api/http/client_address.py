"""Where a request comes from: X-Forwarded-For counts only when nginx on this machine sent it."""

import ipaddress

from flask import Request


def client_address(request: Request) -> str:
    """Return the caller's address, as nginx on this machine says, or else as the socket does."""
    peer = request.remote_addr or ""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded if forwarded and _is_loopback(peer) else peer


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False

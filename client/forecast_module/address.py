"""The platform's address, for HTTP and for the socket."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit


@dataclass(frozen=True)
class Address:
    """Where the platform is: `http://host:port`, with a path before its routes if it has one."""

    base: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read what the author wrote; raises ValueError with a sentence."""
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_good_port(parts):
            raise ValueError(f"The platform's address is like http://platform:10080, not {url!r}.")
        if parts.query or parts.fragment:
            raise ValueError(f"The platform's address has no query: {url!r}.")
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}")

    def http(self, path: str) -> str:
        """Return the address of an HTTP call."""
        return self.base + path

    def socket(self, module_hash: str) -> str:
        """Return the address of a module's socket."""
        return f"ws{self.base[len('http') :]}/websocket?hash={module_hash}"

    @property
    def host(self) -> str:
        """Return the host's name or number."""
        return urlsplit(self.base).hostname or ""

    @property
    def port(self) -> int:
        """Return the port, the scheme's own if none is given."""
        parts = urlsplit(self.base)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def is_loopback(self) -> bool:
        """Return whether it is this machine: no proxy leads there."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")


def _has_good_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False

"""Free ports, below those that outgoing connections take."""

import random
import socket

LOWEST = 15_000
HIGHEST = 32_000


def free_port() -> int:
    """Return a free port."""
    return free_ports_in_a_row(1)


def free_ports_in_a_row(count: int) -> int:
    """Return the first of so many free ports in a row."""
    while True:
        first = random.randrange(LOWEST, HIGHEST - count)
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port that only has connections in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

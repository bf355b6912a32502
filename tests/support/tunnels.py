"""What tests of tunnels share."""

import os
import random
import socket

from omnyshell import PortRange


def free_range(size: int = 12) -> PortRange:
    """Consecutive ports below those that the system hands out, free just now; other test processes choose too."""
    chooser = random.Random(os.urandom(8))
    while True:
        first = chooser.randrange(10_000, 32_000)
        if all(_is_free(port) for port in range(first, first + size)):
            return PortRange(first, first + size - 1)


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

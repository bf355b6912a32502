"""Blocking TLS sockets on loopback, for peers that cost as little as Python lets them."""

import socket
import ssl
from pathlib import Path

from omnyshell import CertGenerator


class Listener:
    """A port with a certificate of its own, made in `directory`. Close it, or use it as a context."""

    def __init__(self, directory: Path) -> None:
        made = CertGenerator().generate(directory / "listener", ["127.0.0.1"])
        self.ca = made.ca_pem_path
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(made.hub_pem_path, made.hub_key_path)
        self._context.num_tickets = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def accept(self) -> ssl.SSLSocket:
        """Return the next connection, its TLS done."""
        return self._context.wrap_socket(_at_once(self.socket.accept()[0]), server_side=True)


def dial(port: int, ca: Path | str) -> ssl.SSLSocket:
    """Return a connection whose TLS is done."""
    plain = _at_once(socket.create_connection(("127.0.0.1", port)))
    return ssl.create_default_context(cafile=str(ca)).wrap_socket(plain, server_hostname="127.0.0.1")


def _at_once(sock: socket.socket) -> socket.socket:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock

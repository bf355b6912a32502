"""Syslog over TLS (RFC 5425): messages of RFC 5424, each after its length; the server's certificate is verified."""

import os
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

PORT = 6514
TIMEOUT = 5.0
"""Seconds that connecting and sending may take."""

SETTLING = 0.2
"""Seconds in which a server may close a connection that it refuses."""

SENT_AGAIN = 200
"""Messages that are sent again over a new connection, as syslog does not acknowledge what has arrived."""

_AUTHPRIV_INFO = 86


class SyslogTlsSink:
    """Sends to a server, and connects again when the connection has ended."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._place = (host, port)
        self._context = context
        self._socket: ssl.SSLSocket | None = None
        self._sent: deque[bytes] = deque(maxlen=SENT_AGAIN)
        self._sender = f"{socket.gethostname() or '-'} omnyshell-audit {os.getpid()} audit -"

    def write(self, lines: Sequence[bytes]) -> None:
        """Send each line as one message. Raises `OSError` if that fails; then all lines have to be passed again."""
        messages = [self._message(line) for line in lines]
        try:
            self._connect_where_needed()
            if self._socket is not None:
                self._socket.sendall(b"".join(messages))
        except OSError:
            self.close()
            raise
        self._sent.extend(messages)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with suppress(OSError, ValueError):
                connection.settimeout(TIMEOUT)
                connection.unwrap()
            connection.close()

    def _connect_where_needed(self) -> None:
        if self._socket is not None and not self._has_ended(self._socket):
            return
        self._drop()
        raw = socket.create_connection(self._place, TIMEOUT)
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket = self._context.wrap_socket(raw, server_hostname=self._place[0])
        except BaseException:
            raw.close()
            raise
        if self._is_refused(self._socket):
            raise OSError("the server ended the connection: it may not accept the certificate of this hub")
        if self._sent:
            self._socket.sendall(b"".join(self._sent))

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @staticmethod
    def _is_refused(connection: ssl.SSLSocket) -> bool:
        """Whether the server closes the connection at once.

        With TLS 1.3 it checks our certificate only after the handshake.
        """
        connection.settimeout(SETTLING)
        try:
            return not connection.recv(1024)
        except TimeoutError:
            return False
        finally:
            connection.settimeout(TIMEOUT)

    @staticmethod
    def _has_ended(connection: ssl.SSLSocket) -> bool:
        """Whether the server has closed the connection; it sends nothing otherwise."""
        connection.settimeout(0)
        try:
            return not connection.recv(1024)
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            connection.settimeout(TIMEOUT)

    def _message(self, line: bytes) -> bytes:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        message = f"<{_AUTHPRIV_INFO}>1 {at} {self._sender} ".encode() + line
        return b"%d %b" % (len(message), message)

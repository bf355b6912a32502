"""Why a connection failed, in words."""

import errno
import socket
import ssl

from support.in_one_test import in_one_test

from omnyshell.transport.connection import in_words


@in_one_test(
    ("error", "words"),
    [
        (OSError(errno.EHOSTUNREACH, "Connect call failed ('192.0.2.1', 8443)"), "No route to host"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "Connection refused"),
        (TimeoutError("timed out"), "timed out"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "no protocols available"), "no protocols available"),
    ],
)
def test_the_system_says_why(error: OSError, words: str) -> None:
    assert in_words(error) == words

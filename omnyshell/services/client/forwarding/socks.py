"""The server's side of SOCKS 5 (RFC 1928), without I/O: what a client says, and what is answered.

Names are not resolved here: they are the node's to resolve. No login is asked for, as only this machine can connect
unless its user says otherwise.
"""

import ipaddress

from omnyshell.errors import ErrorCodes, ProtocolException
from omnyshell.hosts import is_name_or_address
from omnyshell.model.targets import Target

VERSION = 5
NO_LOGIN, NONE_ACCEPTED = 0x00, 0xFF
CONNECT = 1
IPV4, NAME, IPV6 = 1, 3, 4

SUCCEEDED, GENERAL_FAILURE, NOT_ALLOWED, UNREACHABLE = 0, 1, 2, 4
NO_SUCH_COMMAND, NO_SUCH_ADDRESS = 7, 8

_LENGTHS = {IPV4: 4, IPV6: 16}
_HEAD = 4
_REPLIES = {ErrorCodes.NOT_AUTHORIZED: NOT_ALLOWED, "forbidden": NOT_ALLOWED, "dial_failed": UNREACHABLE}


class SocksRefusal(ProtocolException):
    """A client is to be told `answer`, and then closed."""

    def __init__(self, message: str, answer: bytes = b"") -> None:
        super().__init__(message)
        self.answer = answer


class SocksRequest:
    """Reads a client's greeting and its request.

    At most 262 bytes are kept; what follows the request is left in `rest`.
    """

    def __init__(self) -> None:
        self.target: Target | None = None
        """What is asked for; None until the request is whole."""

        self.rest = b""
        self._waiting = b""
        self._is_greeted = False

    def feed(self, data: bytes) -> bytes:
        """Take what the client says; return what to answer now. Raises `SocksRefusal`."""
        self._waiting += data
        answer = b""
        if not self._is_greeted:
            answer = self._greeting()
        try:
            if self._is_greeted and self.target is None:
                self._request()
        except SocksRefusal as exc:
            raise SocksRefusal(exc.message, answer + exc.answer) from exc
        return answer

    def _greeting(self) -> bytes:
        if self._waiting[:1] not in (b"", bytes([VERSION])):
            raise SocksRefusal("It does not speak SOCKS 5, as `socks5h://` has it do")
        if len(self._waiting) < 2 or len(self._waiting) < 2 + self._waiting[1]:
            return b""
        end = 2 + self._waiting[1]
        methods, self._waiting = self._waiting[2:end], self._waiting[end:]
        if NO_LOGIN not in methods:
            raise SocksRefusal("It wants to log in, which nobody does here", bytes((VERSION, NONE_ACCEPTED)))
        self._is_greeted = True
        return bytes((VERSION, NO_LOGIN))

    def _request(self) -> None:
        said = self._waiting
        if len(said) <= _HEAD:
            return
        version, command, _, kind = said[:_HEAD]
        if version != VERSION:
            raise SocksRefusal("It does not speak SOCKS 5")
        if command != CONNECT:
            raise SocksRefusal("Only connections are made here", reply(NO_SUCH_COMMAND))
        if kind not in (IPV4, NAME, IPV6):
            raise SocksRefusal("It names a kind of address that there is not", reply(NO_SUCH_ADDRESS))
        start = _HEAD + (kind == NAME)
        length = said[_HEAD] if kind == NAME else _LENGTHS[kind]
        end = start + length + 2
        if len(said) < end:
            return
        self.target = _target(kind, said[start : end - 2], int.from_bytes(said[end - 2 : end], "big"))
        self.rest, self._waiting = said[end:], b""


def reply(code: int) -> bytes:
    """Return the answer to a request; the address that it carries says nothing."""
    return bytes((VERSION, code, 0, IPV4)) + bytes(6)


def reply_to(reason: str) -> bytes:
    """Return the answer for a connection that was refused for this reason, as hub or node say it."""
    return reply(_REPLIES.get(reason, GENERAL_FAILURE))


def _target(kind: int, address: bytes, port: int) -> Target:
    try:
        host = address.decode("ascii") if kind == NAME else str(ipaddress.ip_address(address))
    except UnicodeDecodeError as exc:
        raise SocksRefusal("It asks for what is no host", reply(GENERAL_FAILURE)) from exc
    # What it writes is never taken for anything but a host: not for a path either.
    if not is_name_or_address(host) or not port > 0:
        raise SocksRefusal("It asks for what is no host", reply(GENERAL_FAILURE))
    return Target(host, port)

"""Reads a connection's requests strictly, one after another, and forwards them with added headers.

`h11` parses; input that it accepts but other parsers may read differently is refused here (RFC 9112 section 11.2).
Heads are written again, bodies are passed on byte for byte.
"""

import re
from collections.abc import Callable

import h11

from omnyshell.protocol.limits import KIB, MAX_PAYLOAD
from omnyshell.services.hub.tunnels.http.headers import OURS, ForwardingHeaders, tokens

MAX_HEAD = 64 * KIB
READ_SIZE = 4 * KIB
"""Bytes to read at a time, except in bodies of known length, which are cheap to parse."""

SLICE = KIB
"""Bytes to parse at a time, except in such bodies, as requests and chunks can be very small."""

HEAD_STEPS = 10
"""The cost of parsing a head, in chunks that take as long."""

_END_OF_LINE = b"\r\n"
_LINE_FAULT = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|\x00")
"""A bare LF or CR, a continuation line, a NUL."""

_LENGTH_LINE = re.compile(rb"\ncontent-length[ \t]*:([^\r\n]*)", re.IGNORECASE)
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"host", b"trailer"})
_VERSIONS = (b"1.0", b"1.1")


class BadRequestError(Exception):
    """A request that is refused; `status` is the status of the response."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class RequestReader:
    """Reads one request.

    `on_head` is called once with the request, before any of it is passed on.
    """

    def __init__(self, marks: ForwardingHeaders, on_head: Callable[[h11.Request], None]) -> None:
        self._marks = marks
        self._on_head = on_head
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._raw = bytearray()
        self._before = b""
        self._may_be_empty = True
        self._framing = bytearray()
        self._is_chunked = False
        self._body_left = 0
        self.head_done = False
        self.is_done = False
        self.steps = 0
        """The parsing work done, in chunks: it grows with heads and chunks, not with their sizes."""

    @property
    def has_begun(self) -> bool:
        """Whether any byte of the request has arrived."""
        return bool(self._raw) or self.head_done

    @property
    def room(self) -> int:
        """How many bytes to read at a time, so that no possible input takes long."""
        return max(READ_SIZE, min(self._body_left, MAX_PAYLOAD))

    def feed(self, data: bytes, out: bytearray) -> bytes:
        """Parse one slice of the data, and append bytes for the target to `out`; return the rest of the data.

        Once the request `is_done`, the rest belongs to the next one. Raises `BadRequestError`.
        """
        data = self._without_empty_line(data)
        if not data:
            return b""
        size = SLICE if self._is_chunked or not self.head_done else len(data)
        try:
            rest = self._feed_slice(data[:size], out)
        except h11.RemoteProtocolError as exc:
            raise BadRequestError(self._worded(exc), 431 if exc.error_status_hint == 431 else 400) from exc
        return rest + data[size:]

    def _without_empty_line(self, data: bytes) -> bytes:
        """Drop an empty line before the request, as old clients send one behind a body (RFC 9112 section 2.2)."""
        if not self._may_be_empty:
            return data
        data, self._before = self._before + data, b""
        if data == _END_OF_LINE[:1]:
            self._before = data
            return b""
        self._may_be_empty = False
        return data.removeprefix(_END_OF_LINE)

    def _worded(self, error: h11.RemoteProtocolError) -> str:
        """Return what is wrong without the bytes that the parser quotes."""
        line = self._raw.partition(_END_OF_LINE)[0]
        if not self.head_done and line[:1].isalpha() and not line.isascii():
            return "the request's first line has bytes that are no ASCII: in a path they are percent-encoded"
        return str(error).partition(": bytearray")[0]

    def _feed_slice(self, data: bytes, out: bytearray) -> bytes:
        """Parse one slice; return the bytes after the end of the request."""
        self._raw += data
        self._parser.receive_data(data)
        while not self.is_done:
            event = self._parser.next_event()
            consumed = self._consumed()
            self.steps += 1
            if isinstance(event, h11.Request):
                self.steps += HEAD_STEPS
                out += self._read_head(event, consumed)
            elif isinstance(event, h11.Data):
                self._check_framing(consumed[: len(consumed) - len(event.data)])
                self._body_left -= len(event.data)
                out += consumed
            elif isinstance(event, h11.EndOfMessage):
                self._check_framing(consumed)
                _check_trailers(event)
                out += consumed
                self.is_done = True
                rest, self._raw = bytes(self._raw), bytearray()
                return rest
            else:
                # More data is needed; a chunk's header may be consumed already.
                if self.head_done:
                    self._check_framing(consumed)
                    out += consumed
                break
        return b""

    def _consumed(self) -> bytes:
        """Remove and return the bytes that the parser has consumed."""
        size = len(self._raw) - len(self._parser.trailing_data[0])
        used = bytes(self._raw[:size])
        del self._raw[:size]
        return used

    def _read_head(self, request: h11.Request, raw: bytes) -> bytes:
        _check_head(request, raw)
        self.head_done = True
        self._is_chunked = any(name == b"transfer-encoding" for name, _ in request.headers)
        self._body_left = next((int(value) for name, value in request.headers if name == b"content-length"), 0)
        self._on_head(request)
        lines = [request.method + b" " + request.target + b" HTTP/" + request.http_version]
        lines += [name + b": " + value for name, value in self._marks.added_to(request)]
        return b"\r\n".join([*lines, b"", b""])

    def _check_framing(self, raw: bytes) -> None:
        """Check the lines between chunks, once they are complete."""
        if not self._is_chunked:
            return
        self._framing += raw
        if self._framing.endswith(b"\n"):
            if _LINE_FAULT.search(self._framing):
                raise BadRequestError("a chunk's line is not clean")
            self._framing.clear()


def _check_head(request: h11.Request, raw: bytes) -> None:
    """Refuse a head that two parsers may read differently, and CONNECT.

    What follows CONNECT would have no headers of the hub, and whether it is HTTP after all, the target alone decides.
    """
    if request.method == b"CONNECT":
        raise BadRequestError("CONNECT is for proxies, which a tunnel of the protocol tcp leads to", 405)
    names = [name for name, _ in request.headers]
    lengths = _LENGTH_LINE.findall(raw)
    encoded = b"transfer-encoding" in names
    connection = [token for name, value in request.headers if name == b"connection" for token in tokens(value)]
    problem = ""
    if _LINE_FAULT.search(raw):
        problem = "a line of the head is not clean"
    elif len(lengths) > 1 or any(b"," in length for length in lengths):
        problem = "more than one length is given"
    elif lengths and encoded:
        problem = "both a length and a transfer encoding are given"
    elif request.http_version not in _VERSIONS:
        problem = "this version of HTTP is not served"
    elif encoded and request.http_version == b"1.0":
        problem = "HTTP/1.0 has no transfer encodings"
    elif not OURS.isdisjoint(connection):
        problem = "a forwarding header is called hop-by-hop"
    if problem:
        raise BadRequestError(problem)


def _check_trailers(end: h11.EndOfMessage) -> None:
    for name, _ in end.headers:
        if name.replace(b"_", b"-") in OURS or name in _FRAMING:
            raise BadRequestError("a trailer tries to be a header")

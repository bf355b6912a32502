"""What a node and its keeper say to each other: the one declaration of requests, answers and their limits.

Both sides send frames: the length in four bytes, then fields separated by NUL. A request is its verb, a number that the
node chose, and its fields; an answer is `ok` or `no`, that number, and its fields; an event has no number. A request
with the number 0 is not answered.
Descriptors ride with the first byte of the answer that they belong to.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

VERSION = 3
WITH_USERS = 2
"""The version from which on a node is told as whom its sessions run, and may ask who may have them."""

WITH_OPENED = 3
"""The version from which on a node may have pipes opened before it knows what for."""

MOST_BYTES = 2 * 1024 * 1024
"""The largest frame: the most that Linux passes to a program is as much."""

MOST_OPENED = 8
"""For how many programs pipes may be open for one connection, and not used yet."""

MOST_DESCRIPTORS = 4 * MOST_OPENED
MOST_NAME = 128
MOST_PATH = 4096
MOST_USER = 32 * 1024
USER_PARTS = 4
MOST_WORDS = 16 * 1024
"""The most arguments and variables of a program."""

MOST_SESSIONS = 4096
"""The most sessions of a node that a keeper holds, ended ones included."""

HEADER = 4

HELLO, START, LIST, TAKE = b"hello", b"start", b"list", b"take"
CLOSE_STDIN, STOP_READING, SIGNAL, WHERE = b"close-stdin", b"stop-reading", b"signal", b"where"
FORGET, UPGRADE, STOP, STATUS = b"forget", b"upgrade", b"stop", b"status"
GROUPS, ADMIT, OPEN, SOON = b"groups", b"admit", b"open", b"soon"

UNANSWERED = b"0"

EARLIER = "user.omnyshell.earlier"
"""An attribute of a control group: microseconds of processor time that were taken in it before its session began."""

OK, NO, EXIT = b"ok", b"no", b"exit"

JUDGES = b"judges"
"""In the answer to `hello` behind version, process and boot, where each start has to say for whom it is.

Three words more follow: where control groups are made, why sessions are in none or not limited, and the limits; each
may be empty.
"""

PTY, PIPES = b"pty", b"pipes"
QUIET_PTY = b"quiet-pty"
"""A terminal that does not echo."""

KINDS = (PTY, QUIET_PTY, PIPES)
"""The kinds of what a program has. A start may say in place of them which pipes it gets that were opened before."""


GROUP, SESSION = b"group", b"session"
"""Whom a signal is for: the terminal's foreground, or the leader's group; and every process of the session."""

RUNNING, UNKNOWN = b"running", b"unknown"
"""What `list` says where it has no exit code."""

HELD, NO_SUCH, EXISTS, FULL, ORDER = b"held", b"no-such", b"exists", b"full", b"order"
CANNOT, REFUSED, STOPPING, UNKNOWN_VERB = b"cannot", b"refused", b"stopping", b"unknown-verb"
"""Why not: the codes of `no`. `cannot` is an error of the system, in its words."""


class MalformedError(Exception):
    """What came is nothing that the other side may say."""


_NAME = rb"[!-~]{1,%d}" % MOST_NAME
_NAME_OR_NONE = rb"[!-~]{,%d}" % MOST_NAME
_PATH = rb"/[^\0]{,%d}" % (MOST_PATH - 1)
_DIRECTORY = rb"%b|~(?:%b)?|" % (_PATH, _PATH)
_ASKER = rb"(?=[^\0]{,%d}(?![^\0]))" % MOST_USER + rb"\n".join([rb"[^\0\n]*"] * USER_PARTS)
_DIGITS = 13
_NUMBER = rb"\d{1,%d}" % _DIGITS
_CELLS = rb"[1-9]\d{,3}|10000"

is_name = re.compile(_NAME).fullmatch
"""Tells whether this can name a node or a session."""

REQUESTS: dict[bytes, tuple[bytes, ...]] = {
    HELLO: (rb"[1-9]\d{,5}", _NAME_OR_NONE),
    START: (
        _NAME,
        rb"%b|%b\.\d" % (b"|".join(KINDS), _NUMBER),
        *(_CELLS, _CELLS),
        _DIRECTORY,
        rb"(?:%b)?" % _ASKER,
        rb"[1-9]\d{,4}",
    ),
    LIST: (),
    TAKE: (_NAME,),
    CLOSE_STDIN: (_NAME,),
    STOP_READING: (_NAME,),
    SIGNAL: (_NAME, GROUP + b"|" + SESSION, rb"[1-9]|[1-5]\d|6[0-4]"),
    WHERE: (_NAME,),
    FORGET: (_NAME,),
    GROUPS: (),
    OPEN: (rb"[1-%d]" % MOST_OPENED,),
    SOON: (rb"(?:%b)?" % _ASKER,),
    UPGRADE: (),
    STOP: (),
    STATUS: (),
    ADMIT: (_ASKER, rb"\d{1,10}"),
}
"""What each field of a request must be, as one pattern.
`hello` has the version and the node's id, which a command line leaves empty.
`start` has the session, kind, columns, rows, directory, for whom, how many words the program has, those, and variables.
`groups` is answered by sessions, each with the directory of its control group.
`soon` says that a start is being prepared, and for whom: it asks for nothing.
`open` asks for pipes for some programs, and is answered by the names of the descriptors of each, which come with it.
The kind of a start is then that request's number, a point, and which of them it gets, from 0.
For whom it is are four lines: principal, roles, the user that is wanted, and those to whom the hub narrows it; commas
separate roles and users. Where that is empty, the program is the keeper's own user's. Otherwise the first word may be
empty or a name, and the directory empty or below `~`: shell, search and home are those of who it becomes.
`admit` asks whether somebody may have a session of the user that is wanted, whose number it says."""


class Request(NamedTuple):
    """A request whose fields are what they must be."""

    verb: bytes
    number: bytes
    fields: Sequence[bytes]
    words: Sequence[bytes] = ()
    """Of a start the program and its arguments, which follow the declared fields."""

    variables: Mapping[bytes, bytes] = MappingProxyType({})
    """And the program's, behind those."""

    frame: bytes = b""
    """All of a start."""


def _shape(verb: bytes, fields: Sequence[bytes]) -> re.Pattern[bytes]:
    """Return the pattern of a whole request. It takes one step to look at one, as somebody waits meanwhile."""
    rest = (rb".*",) if verb == START else ()
    parts = [b"(%b)" % field for field in (_NUMBER, *fields, *rest)]
    return re.compile(rb"%b\Z" % rb"\0".join((verb, *parts)), re.DOTALL)


_SHAPES = {verb: _shape(verb, fields) for verb, fields in REQUESTS.items()}
_UNKNOWN = re.compile(rb"%b\0(%b)(?:\0.*)?\Z" % (_NAME, _NUMBER), re.DOTALL)


def parse_request(frame: bytes) -> Request:
    """Return the request in a frame. One with an unknown verb is returned without fields.

    Raises `MalformedError`.
    """
    verb, _, _ = frame.partition(b"\0")
    found = _SHAPES.get(verb, _UNKNOWN).match(frame)
    if found is None:
        raise MalformedError
    number, *fields = found.groups()
    if verb != START:
        return Request(verb, number, tuple(fields))
    if fields[-1].count(b"\0") >= MOST_WORDS:
        # Words that were split take a hundred times their bytes.
        raise MalformedError
    rest, count = fields.pop().split(b"\0"), int(fields[-1])
    try:
        variables = dict([variable.split(b"=", 1) for variable in rest[count:]])
    except ValueError as exc:
        raise MalformedError from exc
    if b"" in variables or not _is_program(fields, rest):
        raise MalformedError
    return Request(verb, number, tuple(fields), rest[:count], variables, frame)


def _is_program(fields: Sequence[bytes], rest: Sequence[bytes]) -> bool:
    """Tell whether a program is there, and complete where it is for nobody else."""
    *_, directory, whose, count = fields
    is_complete = directory.startswith(b"/") and rest[0].startswith(b"/")
    return int(count) <= len(rest) <= MOST_WORDS and (bool(whose) or is_complete)


def like_a_start(whose: bytes) -> bytes:
    """Return the frame of a start that somebody might ask for, to rehearse one."""
    return b"start\0001\0soon\0pipes\0001\0001\0/\0%b\0001\0/bin/sh" % whose + b"\0A=" * 32


def check(verb: bytes, fields: Sequence[bytes]) -> None:
    """Raise `MalformedError` unless these are what a request of this verb may have, whatever its number.

    That variables of a program have names is for who makes them so.
    """
    try:
        frame = pack(verb, b"9" * _DIGITS, *fields)
    except ValueError as exc:
        raise MalformedError from exc
    count = len(REQUESTS[verb])
    is_right = _SHAPES[verb].match(frame, HEADER) and (verb != START or _is_program(fields[:count], fields[count:]))
    if not is_right:
        raise MalformedError


def pack(*fields: bytes) -> bytes:
    """Return the frame of these fields. Raises `ValueError` where one has a NUL, or all are too long."""
    body = b"\0".join(fields)
    if body.count(b"\0") != len(fields) - 1 or len(body) > MOST_BYTES:
        raise ValueError("no frame can hold this")
    return len(body).to_bytes(HEADER, "big") + body


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        """What arrived of a frame that is not whole."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each frame that is whole now. Raises `MalformedError` for one that is too long, or empty."""
        if not self.waiting and len(data) > HEADER and int.from_bytes(data[:HEADER], "big") == len(data) - HEADER:
            # Most frames come alone and whole.
            yield data[HEADER:]
            return
        self.waiting += data
        while len(self.waiting) >= HEADER:
            size = int.from_bytes(self.waiting[:HEADER], "big")
            if not 0 < size <= MOST_BYTES:
                raise MalformedError
            if len(self.waiting) < HEADER + size:
                return
            frame = bytes(self.waiting[HEADER : HEADER + size])
            del self.waiting[: HEADER + size]
            yield frame

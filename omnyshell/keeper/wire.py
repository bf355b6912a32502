"""What a node and its keeper say to each other: the one declaration of requests, answers and their limits.

Both sides send frames: the length in four bytes, then fields separated by NUL. A request is its verb, a number that the
node chose, and its fields; an answer is `ok` or `no`, that number, and its fields; an event has no number. A request
with the number 0 is not answered.
Descriptors ride with the first byte of the answer that they belong to.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from operator import methodcaller

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
MOST_USER_ID = 0xFFFFFFFE
MOST_WORDS = 16 * 1024
"""The most arguments and variables of a program."""

MOST_SIGNAL = 64
MOST_SESSIONS = 4096
"""The most sessions of a node that a keeper holds, ended ones included."""

HEADER = 4

_ROOM = 64
"""Bytes of a frame that are not for fields: verb and number."""

HELLO, START, LIST, TAKE = b"hello", b"start", b"list", b"take"
CLOSE_STDIN, STOP_READING, SIGNAL, WHERE = b"close-stdin", b"stop-reading", b"signal", b"where"
FORGET, UPGRADE, STOP, STATUS = b"forget", b"upgrade", b"stop", b"status"
GROUPS, ADMIT, OPEN = b"groups", b"admit", b"open"

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


_Check = Callable[[bytes], object]
"""Returns what is true for a field that is right. One is checked while somebody waits, so this takes few steps."""

is_name = re.compile(rb"[!-~]{1,%d}" % MOST_NAME).fullmatch
"""Tells whether this can name a node or a session."""

_is_name_or_none = re.compile(rb"[!-~]{,%d}" % MOST_NAME).fullmatch


def _is_path(field: bytes) -> bool:
    return 0 < len(field) <= MOST_PATH and field.startswith(b"/")


def _is_directory(field: bytes) -> bool:
    return not field or field == b"~" or field.startswith(b"~/") or _is_path(field)


def _is_asker(field: bytes) -> bool:
    return len(field) <= MOST_USER and field.count(b"\n") == USER_PARTS - 1


def _is_asker_or_none(field: bytes) -> bool:
    return not field or _is_asker(field)


def _number(least: int, most: int) -> _Check:
    digits = len(str(most))
    return lambda field: len(field) <= digits and field.isdigit() and least <= int(field) <= most


def _one_of(*words: bytes) -> _Check:
    return frozenset(words).__contains__


_DIGITS = 13
_is_number = _number(0, 10 ** (_DIGITS - 1))
_NAME_SIZE = methodcaller("find", b"=")
"""The length of a variable's name; not positive where it has none."""

REQUESTS: dict[bytes, tuple[_Check, ...]] = {
    HELLO: (_number(1, 10**6), _is_name_or_none),
    START: (
        is_name,
        re.compile(rb"%b|\d{1,%d}\.\d" % (b"|".join(KINDS), _DIGITS)).fullmatch,
        *(_number(1, 10_000), _number(1, 10_000)),
        _is_directory,
        _is_asker_or_none,
        _number(1, MOST_WORDS),
    ),
    LIST: (),
    TAKE: (is_name,),
    CLOSE_STDIN: (is_name,),
    STOP_READING: (is_name,),
    SIGNAL: (is_name, _one_of(GROUP, SESSION), _number(1, MOST_SIGNAL)),
    WHERE: (is_name,),
    FORGET: (is_name,),
    GROUPS: (),
    OPEN: (_number(1, MOST_OPENED),),
    UPGRADE: (),
    STOP: (),
    STATUS: (),
    ADMIT: (_is_asker, _number(0, MOST_USER_ID)),
}
"""What each field of a request must be. `hello` has the version and the node's id, which a command line leaves empty.
`start` has the session, kind, columns, rows, directory, for whom, how many words the program has, those, and variables.
`groups` is answered by sessions, each with the directory of its control group.
`open` asks for pipes for some programs, and is answered by the names of the descriptors of each, which come with it.
The kind of a start is then that request's number, a point, and which of them it gets, from 0.
For whom it is are four lines: principal, roles, the user that is wanted, and those to whom the hub narrows it; commas
separate roles and users. Where that is empty, the program is the keeper's own user's. Otherwise the first word may be
empty or a name, and the directory empty or below `~`: shell, search and home are those of who it becomes.
`admit` asks whether somebody may have a session of the user that is wanted, whose number it says."""


class Request:
    """A request whose fields are what they must be."""

    def __init__(self, verb: bytes, number: bytes, fields: Sequence[bytes], rest: Sequence[bytes] = ()) -> None:
        self.verb = verb
        self.number = number
        self.fields = fields
        self.rest = rest
        """What follows the declared fields; only a start has some."""


def parse_request(frame: bytes) -> Request:
    """Return the request in a frame. One with an unknown verb is returned without fields.

    Raises `MalformedError`.
    """
    verb, *fields = frame.split(b"\0")
    number = fields.pop(0) if fields else b""
    if not _is_number(number) or not is_name(verb):
        raise MalformedError
    if verb not in REQUESTS:
        return Request(verb, number, ())
    check(verb, fields)
    count = len(REQUESTS[verb])
    return Request(verb, number, fields[:count], fields[count:])


def check(verb: bytes, fields: Sequence[bytes]) -> None:
    """Raise `MalformedError` unless these are what a request of this verb may have."""
    checks = REQUESTS[verb]
    count = len(checks)
    if len(fields) < count or (len(fields) > count and verb != START):
        raise MalformedError
    for is_right, field in zip(checks, fields, strict=False):
        if not is_right(field):
            raise MalformedError
    if verb == START:
        is_complete = not fields[count - 2]
        if is_complete and not fields[count - 3].startswith(b"/"):
            raise MalformedError
        _check_words(int(fields[count - 1]), fields[count:], is_complete=is_complete)
    if sum(map(len, fields)) + len(fields) + _ROOM > MOST_BYTES:
        raise MalformedError


def _check_words(count: int, rest: Sequence[bytes], *, is_complete: bool) -> None:
    """Raise `MalformedError` unless these are a program, with its path if `is_complete`, arguments, and variables."""
    are_words = count <= len(rest) <= MOST_WORDS and (not is_complete or rest[0].startswith(b"/"))
    if not are_words or min(map(_NAME_SIZE, rest[count:]), default=1) <= 0:
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

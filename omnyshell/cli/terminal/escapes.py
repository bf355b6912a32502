"""Escapes typed at the start of a line, as in ssh: `~.` leaves, `~d` detaches, `~?` helps, `~~` is a tilde."""

from enum import Enum, auto

HELP = (
    "\r\nEscapes at the start of a line:\r\n"
    "  ~.  leave the session, which ends it\r\n"
    "  ~d  detach: the session goes on without this terminal\r\n"
    "  ~?  this help\r\n"
    "  ~~  send the tilde\r\n"
)

_TILDE = 0x7E
_LINE_ENDS = b"\r\n"


class Escape(Enum):
    """The action of an escape."""

    LEAVE = auto()
    DETACH = auto()
    HELP = auto()


_ESCAPES = {ord("."): Escape.LEAVE, ord("d"): Escape.DETACH, ord("?"): Escape.HELP}
ENDING = frozenset((Escape.LEAVE, Escape.DETACH))
"""Escapes after which no more input is sent."""


class EscapeScanner:
    """Takes escapes out of typed input, in whichever chunks it comes."""

    def __init__(self) -> None:
        self._at_line_start = True
        self._after_tilde = False

    def feed(self, data: bytes) -> tuple[bytes, list[Escape]]:
        """Return what to send on, and the escapes that were typed. What follows `~.` or `~d` is dropped."""
        sent = bytearray()
        escapes: list[Escape] = []
        for byte in data:
            escape = self._step(byte, sent)
            if escape is not None:
                escapes.append(escape)
            if escape in ENDING:
                break
        return bytes(sent), escapes

    def _step(self, byte: int, sent: bytearray) -> Escape | None:
        if self._after_tilde:
            self._after_tilde = False
            escape = _ESCAPES.get(byte)
            if escape is not None:
                self._at_line_start = True
                return escape
            # `~~` stands for one tilde; a tilde before any other character is sent as it is.
            sent += bytes((byte,)) if byte == _TILDE else bytes((_TILDE, byte))
            self._at_line_start = byte in _LINE_ENDS
        elif self._at_line_start and byte == _TILDE:
            self._after_tilde = True
        else:
            sent.append(byte)
            self._at_line_start = byte in _LINE_ENDS
        return None

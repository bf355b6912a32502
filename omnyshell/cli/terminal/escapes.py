"""Escapes typed at the start of a line, as in ssh: `~.` leaves, `~&` detaches, `~^Z` suspends, `~?` helps."""

import re
from enum import Enum

from omnyshell.errors import ConfigException

DEFAULT = "~"

NONE = "none"
"""What switches escapes off."""


class Escape(Enum):
    """What an escape does, in the words of the help."""

    LEAVE = "leave the session, which ends it"
    DETACH = "detach: the session goes on without this terminal"
    SUSPEND = "suspend this command; `fg` shows the session again"
    HELP = "this help"


# None of these begins the name of a user, so that a path such as ~deploy/bin goes to the shell.
_KEYS = {".": Escape.LEAVE, "&": Escape.DETACH, "^Z": Escape.SUSPEND, "?": Escape.HELP}
ENDING = frozenset((Escape.LEAVE, Escape.DETACH))
"""Escapes after which no more input is sent."""

_LINE_ENDS = b"\r\n"
_TYPED, _PASTED = re.compile(rb"[^\r\n\x1b]+"), re.compile(rb"[^\x1b]+")
_PASTE, _END_OF_PASTE = b"\x1b[200~", b"\x1b[201~"


def parse_escape(text: str) -> int | None:
    """Return the byte that begins an escape; None for none. Raises `ConfigException`."""
    if text == NONE:
        return None
    code = _code(text)
    if code is None or code in _LINE_ENDS:
        raise ConfigException(f"--escape '{text}': write one character of ASCII, as ~ or ^B, or {NONE}")
    return code


def shown(code: int) -> str:
    """A byte as it is written for `parse_escape`."""
    return chr(code) if code >= ord(" ") else "^" + chr(code + ord("@"))


def help_text(character: str = DEFAULT) -> str:
    """The escapes, one a line."""
    return "".join(
        [
            "Escapes at the start of a line, but not in what is pasted:\n",
            *(f"  {character}{key:<3} {escape.value}\n" for key, escape in _KEYS.items()),
            f"  {character}{character:<3} send it\n",
        ]
    )


def _code(text: str) -> int | None:
    """The byte of a key, as it is written: `~`, `^B`."""
    if len(text) == len("^B") and text[0] == "^" and "@" <= text[1].upper() <= "_":
        return ord(text[1].upper()) - ord("@")
    return ord(text) if len(text) == 1 and text.isascii() and text.isprintable() else None


_ESCAPES = {_code(key): escape for key, escape in _KEYS.items()}


class EscapeScanner:
    """Takes escapes out of typed input, in whichever chunks it comes. What is pasted in brackets has none.

    `character` is the byte that begins one; None for no escapes.
    """

    def __init__(self, character: int | None = ord(DEFAULT)) -> None:
        self._character = character
        self._at_line_start = True
        self._is_waiting = False
        """Whether the last byte began an escape."""

        self._matched = 0
        """How many bytes of the mark that begins or ends a paste have passed."""

        self._in_paste = False

    def feed(self, data: bytes) -> tuple[bytes, list[Escape]]:
        """Return what to send on, and the escapes that were typed. What follows one of `ENDING` is dropped."""
        if self._character is None:
            return data, []
        sent = bytearray()
        escapes: list[Escape] = []
        at = 0
        while at < len(data):
            if run := self._run(data, at):
                sent += run
                at += len(run)
                continue
            escape = self._step(data[at], self._character, sent)
            at += 1
            if escape is not None:
                escapes.append(escape)
            if escape in ENDING:
                break
        return bytes(sent), escapes

    def _run(self, data: bytes, at: int) -> bytes:
        """The bytes from `at` on that neither begin anything nor end it: a paste may have millions of them."""
        if self._is_waiting or self._matched or (self._at_line_start and not self._in_paste):
            return b""
        found = (_PASTED if self._in_paste else _TYPED).match(data, at)
        if found is None:
            return b""
        self._at_line_start = found[0][-1] in _LINE_ENDS
        return found[0]

    def _step(self, byte: int, character: int, sent: bytearray) -> Escape | None:
        if self._is_waiting:
            self._is_waiting = False
            escape = _ESCAPES.get(byte)
            if escape is not None:
                self._at_line_start = True
                return escape
            sent.append(character)
            # Twice the character stands for one; before any other it is sent as it is.
            if byte != character:
                self._pass(byte, sent)
        elif self._at_line_start and byte == character and not self._in_paste:
            self._is_waiting = True
        else:
            self._pass(byte, sent)
        return None

    def _pass(self, byte: int, sent: bytearray) -> None:
        sent.append(byte)
        self._at_line_start = byte in _LINE_ENDS
        mark = _END_OF_PASTE if self._in_paste else _PASTE
        self._matched = self._matched + 1 if byte == mark[self._matched] else int(byte == mark[0])
        if self._matched == len(mark):
            self._in_paste = not self._in_paste
            self._matched = 0

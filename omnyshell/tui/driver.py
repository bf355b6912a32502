"""Reads keys from the outer terminal, without Textual's delays and ambiguities.

Terminals in the console need exact keys.
"""

import os
import selectors
import signal
import unicodedata
from codecs import getincrementaldecoder
from collections.abc import Iterable
from contextlib import suppress
from typing import ClassVar, Final

from textual import constants, events
from textual._parser import ParseEOF, ParseError
from textual._xterm_parser import XTermParser
from textual.keys import KEY_NAME_REPLACEMENTS
from textual.message import Message

from omnyshell.tui.lost_terminal import LossTolerantDriver

ESCAPE_SECONDS: Final = 0.02
"""How long the rest of an escape sequence may take to arrive.

A terminal writes a sequence in one piece; only a slow line cuts it, and then Alt and the cursor keys would be read as
Escape and a letter. The variable ESCDELAY (milliseconds) overrides it.
"""

IDLE_SECONDS: Final = 0.1
READ_SIZE: Final = 16 * 1024


class ConsoleParser(XTermParser):
    """Textual's parser, except that Alt with a key is reported as such, and that no key is mistaken for another.

    Textual 8.2.8 reads alt+b as ctrl+left, alt+backspace as ctrl+w, alt+. as a full stop, ctrl+h as backspace, and F3
    with a modifier as the answer to a question for the cursor, which the console never asks. Longer sequences (`ESC [`,
    `ESC O`, and strings) are left to Textual.
    """

    def feed(self, data: str) -> Iterable[Message]:
        """Parse input from the terminal."""
        for event in super().feed(data):
            yield _modified_f3(event) if isinstance(event, events.CursorPosition) else event

    @property
    def is_waiting(self) -> bool:
        """Whether the input so far may be the beginning of a longer sequence."""
        return getattr(self, "_timeout_time", self) is not None

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if len(sequence) == 2 and sequence[0] == "\x1b" and sequence[1] not in "[O\x1b":
            yield alt_key(sequence[1])
            return
        if sequence == "\x08":
            yield events.Key("ctrl+h", None)
            return
        yield from super()._sequence_to_key_events(sequence, alt)


def alt_key(character: str) -> events.Key:
    """Return the key event for Alt with the key that sends `character`."""
    if character in _CONTROL_NAMES:
        return events.Key(f"alt+{_CONTROL_NAMES[character]}", None)
    if character < " ":
        return events.Key(f"alt+ctrl+{key_name(chr(ord(character) | 0x40)).lower()}", None)
    if character.isalpha() and character.isupper():
        return events.Key(f"alt+shift+{character.lower()}", character)
    return events.Key(f"alt+{key_name(character)}", character)


def key_name(character: str) -> str:
    """Return Textual's name of the key that types a character."""
    if character.isalnum():
        return character
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


_CONTROL_NAMES: Final = {"\r": "enter", "\t": "tab", "\x7f": "backspace", " ": "space", "\x00": "ctrl+space"}


def _modified_f3(event: events.CursorPosition) -> Message:
    """Return the key event if this is F3 with modifiers.

    It is `CSI 1 ; n R`, where n - 1 is the sum of shift (1), alt (2) and ctrl (4).
    """
    bits = event.x
    if event.y or not 0 < bits < 8:
        return event
    names = "".join(f"{name}+" for bit, name in ((2, "alt"), (4, "ctrl"), (1, "shift")) if bits & bit)
    return events.Key(f"{names}f3", None)


def hurry_escape() -> None:
    """Make Textual's parsers report a lone Escape after `ESCAPE_SECONDS`."""
    if "ESCDELAY" not in os.environ:
        constants.ESCAPE_DELAY = ESCAPE_SECONDS  # type: ignore[misc]


class ConsoleDriver(LossTolerantDriver):
    """Textual's driver with `ConsoleParser`, which reports a lone Escape after `ESCAPE_SECONDS`."""

    encoding: ClassVar[str] = "utf-8"
    """Of what is typed."""

    def _get_terminal_size(self) -> tuple[int, int]:
        """Ask the terminal for its size.

        Textual would use `COLUMNS` and `LINES`, which are outdated if they were exported.
        """
        with suppress(OSError):
            columns, lines = os.get_terminal_size(self.fileno)
            if columns and lines:
                return columns, lines
        return super()._get_terminal_size()

    def run_input_thread(self) -> None:
        """Read keys until the driver stops."""
        hurry_escape()
        decode = getincrementaldecoder(self.encoding)("replace").decode
        parser = ConsoleParser()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                # An incomplete sequence is checked again soon.
                if selector.select(ESCAPE_SECONDS if parser.is_waiting else IDLE_SECONDS):
                    data = self._read()
                    if not data:
                        self._tell_the_end()
                        break
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        self._end(parser)

    def _read(self) -> bytes:
        """Return the typed bytes; b"" if the terminal is gone."""
        try:
            return os.read(self.fileno, READ_SIZE)
        except OSError:
            return b""

    def _tell_the_end(self) -> None:
        """End the console: SIGHUP goes to the session's leader, and some, such as make, do not pass it on."""
        if not self.exit_event.is_set():
            os.kill(os.getpid(), signal.SIGHUP)

    def _end(self, parser: ConsoleParser) -> None:
        try:
            for event in parser.feed(""):
                self.process_message(event)
        except (ParseEOF, ParseError):
            return

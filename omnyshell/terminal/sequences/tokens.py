"""Terminal output cut into tokens: printable text, with SGR in it, and the control function that follows it.

The grammar is that of ECMA-48 as DEC's parsers read it: C0 controls within a sequence are carried out at once, CAN
and SUB abort, ESC starts anew, a malformed sequence is swallowed up to its final byte. Control strings end at ST, OSC
at BEL too; CAN, SUB and any other ESC abort them, and nothing is carried out then (as in xterm). C1 controls are
rewritten to their two-character form beforehand.
"""

import re
from functools import lru_cache
from typing import Final

from omnyshell.terminal.screen.stretches import SGR
from omnyshell.terminal.text.possessive import ANY

LONGEST_SEQUENCE: Final = 4096
"""Characters of an unfinished control sequence that are kept; a longer one is swallowed."""

_C0 = r"\x00-\x17\x19\x1c-\x1f\x7f"
_PRINTABLE = r"[^\x00-\x1f\x7f]*+"
_TEXT = rf"({_PRINTABLE}(?:{SGR}{_PRINTABLE}){ANY})"
_SEQUENCE = r"\x1b\[[0-?]*[ -/]*[@-~]"
_NEWLINE = r"\r?\n"
_MALFORMED = r"\x1b\[[ -?]*[@-~]"
_ESCAPE = r"\x1b(?:[0-OQ-WYZ\\`-~]|[ -/]+[0-~])"
_ABORTED = r"\x1b(?:\[[ -?]*|[ -/]*)(?:[\x18\x1a\x80-\U0010ffff]|(?=\x1b)|\Z)"
_HIDING = rf"\x1b(?:\[[ -?]*|[ -/]*)[{_C0}]"
_CONTROL = r"[\x00-\x1a\x1c-\x1f\x7f]"

_PALETTE = r"P[0-9A-Fa-f]{7}|R"
# What the Linux console gives up, with the character that it does not expect; digits begin a command, as elsewhere.
_GIVEN_UP = r"P[0-9A-Fa-f]{0,6}[^\x00-\x1f\x7f0-9A-Fa-f]|[^\x00-\x1f\x7f0-9PR]"

is_palette: Final = re.compile(_PALETTE).fullmatch
"""Whether a string, without its introducer, changes colours as the Linux console has it."""


class Grammar:
    """What a terminal takes for sequences and strings; `term` is what TERM says of it.

    `ESC k title ST` sets the title of a window in screen and tmux. The Linux console's colours have no end: `ESC ] P`
    with seven digits changes one, `ESC ] R` takes all back, and after another character text goes on. Without a TERM
    titles and colours are understood, since they mean nothing elsewhere.
    """

    def __init__(self, term: str) -> None:
        self.has_titles = term.startswith(("screen", "tmux")) or not term
        self.has_palette = term.startswith("linux") or not term
        own = f"{_PALETTE}|{_GIVEN_UP}" if term else _PALETTE
        titles, palette = ("k" if self.has_titles else ""), (rf"(?!{own})" if self.has_palette else "")
        whole = rf"\x1b\](?:{own})|" if self.has_palette else ""
        begun = r"(?!(?:P[0-9A-Fa-f]{0,6})?\Z)" if self.has_palette else ""
        told = rf"\x1b[\]{titles}][^\x07\x1b\x18\x1a]*(?:\x1b\\|[\x07\x18\x1a])?"
        string = rf"{whole}{told}|\x1b[PX^_][^\x1b\x18\x1a]*[\x18\x1a]?"
        # The order matters: strings before other escapes. The empty alternative takes text at the very end.
        self.tokens = re.compile(
            f"{_TEXT}({_SEQUENCE}|{_NEWLINE}|{_MALFORMED}|{string}|{_ESCAPE}|{_ABORTED}|{_HIDING}|{_CONTROL}|\\Z)"
        ).findall
        self.string_start = re.compile(rf"\x1b[{_C0}]*(\]{begun}|[PX^_{titles}])").match
        """Matches at an ESC that begins a control string; group 1 is its kind."""

        kinds = rf"\]{palette}[^\x07\x18\x1a]*|[PX^_][^\x18\x1a]*" + (r"|k[^\x07\x18\x1a]*" if titles else "")
        self._unfinished = re.compile(rf"\x1b[{_C0}]*(?:\[[{_C0} -?]*|[{_C0} -/]*|{kinds})\Z").match

    def unfinished_at(self, text: str) -> int:
        """Return where an unfinished sequence or string begins that the end of `text` cuts off, or its length.

        Of a string that ESC ends it takes what follows that to tell whether it is carried out.
        """
        start = text.rfind("\x1b")
        if start < 0 or not self._unfinished(text, start):
            return len(text)
        if start == len(text) - 1:
            before = text.rfind("\x1b", 0, start)
            if before >= 0 and self.string_start(text, before) and self._unfinished(text, before, start):
                return before
        return start


@lru_cache(maxsize=8)
def grammar_of(term: str) -> Grammar:
    """Return the grammar of a terminal, by TERM."""
    return Grammar(term)


_hiding: Final = re.compile(rf"\x1b(?:[{_C0}]*\[[{_C0} -?]*|[{_C0} -/]*)")
_HIDDEN: Final = frozenset(map(chr, (*range(0x18), 0x19, *range(0x1C, 0x20), 0x7F)))
_hidden: Final = re.compile(f"[{_C0}]")
_deleted: Final = re.compile("\x7f")
_c1: Final = re.compile("[\x80-\x9f]")

osc_end: Final = re.compile("[\x07\x18\x1a\x1b]").search
string_end: Final = re.compile("[\x18\x1a\x1b]").search


def expand_c1(text: str) -> str:
    """Rewrite each C1 control as ESC and a character (ECMA-35, 8-bit to 7-bit)."""
    if text.isascii():
        return text
    return _c1.sub(lambda found: "\x1b" + chr(ord(found[0]) - 0x40), text)


def hides_control(sequence: str) -> bool:
    """Whether a token is the beginning of a sequence up to a C0 control within it; see `bring_out_controls`."""
    return len(sequence) > 1 and sequence[0] == "\x1b" and sequence[-1] in _HIDDEN and sequence[1] not in "]PX^_k"


def bring_out_controls(text: str) -> str:
    """Move C0 controls that stand within escape sequences in front of them, where they have the same effect."""
    return _hiding.sub(_controls_first, text)


def _controls_first(found: re.Match[str]) -> str:
    sequence = found[0]
    controls = _deleted.sub("", "".join(_hidden.findall(sequence, 1)))
    # The ESC aborts whatever came before, and the CAN aborts that ESC, so that the controls are outside any sequence.
    return ("\x1b\x18" + controls if controls else "") + "\x1b" + _hidden.sub("", sequence[1:])

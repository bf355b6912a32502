"""Keys as the bytes a program expects (xterm ctlseqs, "PC-Style Function Keys" and "VT220-Style Function Keys").

Names are those of Textual: "a", "A", "enter", "ctrl+c", "shift+tab", "alt+x", "ctrl+left", "f5", "ctrl+shift+up".
"""

from typing import Final

from omnyshell.terminal.state.table import (
    APPLICATION_CURSOR,
    APPLICATION_KEYPAD,
    BRACKETED_PASTE,
    FOCUS_EVENTS,
    NEWLINE,
)

_PLAIN: Final = {
    "enter": "\r",
    "return": "\r",
    "tab": "\t",
    "space": " ",
    "escape": "\x1b",
    "backspace": "\x7f",
}
_CURSOR: Final = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_FUNCTION: Final = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}
_TILDE: Final = {
    "insert": 2, "delete": 3, "pageup": 5, "pagedown": 6,
    "f5": 15, "f6": 17, "f7": 18, "f8": 19, "f9": 20, "f10": 21, "f11": 23, "f12": 24,
    "f13": 25, "f14": 26, "f15": 28, "f16": 29, "f17": 31, "f18": 32, "f19": 33, "f20": 34,
}  # fmt: skip
_MODIFIERS: Final = {"shift": 1, "alt": 2, "meta": 2, "ctrl": 4}
_SHIFT: Final = 1
_ALT: Final = 2
_CTRL: Final = 4

# Control characters that are not just the key's code without its upper bits.
_CONTROL: Final = {
    " ": "\x00", "@": "\x00", "2": "\x00", "3": "\x1b", "4": "\x1c", "5": "\x1d", "6": "\x1e", "7": "\x1f", "8": "\x7f",
    "/": "\x1f", "-": "\x1f", "?": "\x7f", "~": "\x1e",
}  # fmt: skip

# The numeric keypad in application mode; otherwise its keys send their characters.
_KEYPAD: Final = {
    **{f"kp_{digit}": (chr(ord("p") + digit), str(digit)) for digit in range(10)},
    "kp_decimal": ("n", "."),
    "kp_subtract": ("m", "-"),
    "kp_add": ("k", "+"),
    "kp_multiply": ("j", "*"),
    "kp_divide": ("o", "/"),
    "kp_enter": ("M", "\r"),
    "kp_equal": ("X", "="),
}

# Textual's names of characters.
_NAMED: Final = {
    "at": "@", "left_square_bracket": "[", "right_square_bracket": "]", "backslash": "\\", "circumflex_accent": "^",
    "underscore": "_", "full_stop": ".", "comma": ",", "minus": "-", "slash": "/", "question_mark": "?", "tilde": "~",
    "plus": "+", "equals_sign": "=", "semicolon": ";", "colon": ":", "apostrophe": "'", "quotation_mark": '"',
    "grave_accent": "`", "exclamation_mark": "!", "number_sign": "#", "dollar_sign": "$", "percent_sign": "%",
    "ampersand": "&", "asterisk": "*", "left_parenthesis": "(", "right_parenthesis": ")", "less_than_sign": "<",
    "greater_than_sign": ">", "left_curly_bracket": "{", "right_curly_bracket": "}", "vertical_line": "|",
}  # fmt: skip

_PASTE_START: Final = "\x1b[200~"
_PASTE_END: Final = "\x1b[201~"
_C1_PASTE_END: Final = "\x9b201~"


def encode_key(key: str, modes: set[int], character: str | None = None) -> bytes:
    """Return what a key sends to a program that set `modes` (those of `Emulator.mode`); b"" for one that sends nothing.

    `character` is what the key would type, where the caller knows it; it is used for keys that have no name here.
    """
    modifiers, name = _split(key)
    special = _special(name, modifiers, modes)
    if special is not None:
        return special.encode()
    typed = name if len(name) == 1 else _NAMED.get(name, character or "")
    return _typed(typed, modifiers).encode() if typed else b""


def encode_paste(text: str, modes: set[int]) -> bytes:
    """Return pasted text as a program that set `modes` expects it.

    In bracketed paste mode the markers that would end it early are taken out of the text. Line ends become CR, which is
    what typing them sends.
    """
    text = text.replace("\r\n", "\r").replace("\n", "\r")
    if BRACKETED_PASTE not in modes:
        return text.encode()
    while _PASTE_END in text or _C1_PASTE_END in text:
        text = text.replace(_PASTE_END, "").replace(_C1_PASTE_END, "")
    return f"{_PASTE_START}{text}{_PASTE_END}".encode()


def encode_focus(*, gained: bool, modes: set[int]) -> bytes:
    """Return the focus event, b"" unless the program asked for it (mode 1004)."""
    if FOCUS_EVENTS not in modes:
        return b""
    return b"\x1b[I" if gained else b"\x1b[O"


def _split(key: str) -> tuple[int, str]:
    """Return the modifiers' bits and the name without them. A key named "+" is itself."""
    modifiers = 0
    while "+" in key[1:]:
        prefix, _, rest = key.partition("+")
        if prefix not in _MODIFIERS or not rest:
            break
        modifiers |= _MODIFIERS[prefix]
        key = rest
    return modifiers, key


def _special(name: str, modifiers: int, modes: set[int]) -> str | None:
    """What a key without a character of its own sends; None for other keys."""
    if name in _PLAIN:
        sent = _plain(name, modifiers)
        return sent + "\n" if sent == "\r" and NEWLINE in modes else sent
    if name in _KEYPAD:
        application, typed = _KEYPAD[name]
        return f"\x1bO{application}" if APPLICATION_KEYPAD in modes else typed
    parameter = f"1;{modifiers + 1}" if modifiers else ""
    if name in _CURSOR:
        introducer = "\x1bO" if APPLICATION_CURSOR in modes and not modifiers else "\x1b["
        return f"{introducer}{parameter}{_CURSOR[name]}"
    if name in _FUNCTION:
        return f"\x1b[{parameter}{_FUNCTION[name]}" if modifiers else f"\x1bO{_FUNCTION[name]}"
    if name in _TILDE:
        return f"\x1b[{_TILDE[name]}{f';{modifiers + 1}' if modifiers else ''}~"
    return None


def _plain(name: str, modifiers: int) -> str:
    if name == "tab" and modifiers & _SHIFT:
        sent = "\x1b[Z"
    elif name == "backspace" and modifiers & _CTRL:
        sent = "\x08"
    elif name == "space" and modifiers & _CTRL:
        sent = "\x00"
    else:
        sent = _PLAIN[name]
    return "\x1b" + sent if modifiers & _ALT else sent


def _typed(character: str, modifiers: int) -> str:
    if modifiers & _SHIFT and character.islower():
        character = character.upper()
    if modifiers & _CTRL:
        character = _control(character)
    return "\x1b" + character if modifiers & _ALT else character


def _control(character: str) -> str:
    if character in _CONTROL:
        return _CONTROL[character]
    if "@" <= character.upper() <= "_":
        return chr(ord(character.upper()) & 0x1F)
    return character

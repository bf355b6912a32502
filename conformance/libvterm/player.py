"""Plays a script to the emulator, and holds what it says against the screen."""

from collections.abc import Callable, Iterator

from conformance.answering import Answering
from conformance.libvterm import views
from conformance.libvterm.script import Line, Step, numbers, perl_bytes, steps_of
from conformance.outcomes import Outcome
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.input.keys import encode_focus, encode_key, encode_paste
from omnyshell.terminal.input.mouse import MouseAction, MouseButton, MouseEvent, encode_mouse

_HISTORY = 1000
_WIDE = 1000
_LAST_CONTROL = 0x9F
_KEYS = {"KP0": "kp_0"}
_MODIFIERS = {"S": "shift", "C": "ctrl", "A": "alt"}
_BUTTONS = {
    1: MouseButton.LEFT,
    2: MouseButton.MIDDLE,
    3: MouseButton.RIGHT,
    4: MouseButton.WHEEL_UP,
    5: MouseButton.WHEEL_DOWN,
    6: MouseButton.WHEEL_LEFT,
    7: MouseButton.WHEEL_RIGHT,
}


class Player:
    """A terminal of 25 lines, as libvterm's own, and what came of the last command."""

    def __init__(self) -> None:
        self.terminal = Answering(80, 25, scrollback=_HISTORY)
        self._decoding = Emulator(_WIDE, 1)
        self._is_utf8 = False
        self._pointer = (0, 0)
        self._button = MouseButton.NONE
        self._written = b""
        self._scrolled = 0
        self._drawn: list[Line] = []
        self._commands: dict[str, Callable[[str], None]] = {
            "RESET": lambda _argument: self.screen.reset(),
            "RESIZE": lambda argument: self.screen.resize(*numbers(argument)),
            "UTF": lambda argument: setattr(self, "_is_utf8", argument.endswith("1")),
            "PUSH": self._push,
            "INKEY": self._key,
            "INCHAR": self._character,
            "PASTE": self._paste,
            "FOCUS": self._focus,
            "MOUSEMOVE": self._move,
            "MOUSEBTN": self._click,
        }

    @property
    def screen(self) -> Emulator:
        """The emulator."""
        return self.terminal.screen

    def play(self, text: str) -> Iterator[Outcome]:
        """Carry out a script; yield an outcome for each line that applies to an emulator, by its number."""
        for step in steps_of(text):
            self._written = b""
            self._drawn = [line for line in step.expected if line.text.startswith("putglyph ")]
            self._scrolled = self.screen.scrolled
            command = self._commands.get(step.name.rstrip("8"))
            if command:
                command(step.argument)
            yield from self._judge(step)

    # Commands

    def _push(self, argument: str) -> None:
        data = perl_bytes(argument)
        text = data if self._is_utf8 else data.decode("latin-1").encode()
        pieces = [text[at : at + 1] for at in range(len(text))] if self._drawn else [text]
        for piece in pieces:
            self._written += self.terminal.feed(piece)
            self._drawn = [line for line in self._drawn if views.glyph_problem(self.screen, line.text)]

    def _key(self, argument: str) -> None:
        modifiers, name = argument.split()
        self._type(modifiers, _KEYS.get(name, name.lower()))

    def _character(self, argument: str) -> None:
        modifiers, code = argument.split()
        self._type(modifiers, chr(int(code, 16)))

    def _type(self, modifiers: str, key: str) -> None:
        held = [_MODIFIERS[letter] for letter in modifiers if letter in _MODIFIERS]
        self._written = encode_key("+".join((*held, key)), self.screen.mode)

    def _paste(self, argument: str) -> None:
        before, after = encode_paste("-", self.screen.mode).split(b"-")
        self._written = before if argument == "START" else after

    def _focus(self, argument: str) -> None:
        self._written = encode_focus(gained=argument == "IN", modes=self.screen.mode)

    def _move(self, argument: str) -> None:
        place, _, modifiers = argument.partition(" ")
        y, x = numbers(place)
        if (y, x) != self._pointer:
            self._pointer = (y, x)
            self._mouse(MouseAction.MOVE, self._button, modifiers)

    def _click(self, argument: str) -> None:
        way, number, modifiers = argument.split()
        button, pressed = _BUTTONS[int(number)], way == "d"
        self._mouse(MouseAction.PRESS if pressed else MouseAction.RELEASE, button, modifiers)
        self._button = button if pressed and int(number) < 4 else MouseButton.NONE

    def _mouse(self, action: MouseAction, button: MouseButton, modifiers: str) -> None:
        y, x = self._pointer
        held = {name: letter in modifiers for letter, name in _MODIFIERS.items()}
        self._written = encode_mouse(MouseEvent(action, button, x, y, **held), self.screen.mode)

    # What came of them

    def _judge(self, step: Step) -> Iterator[Outcome]:
        if step.name == "ENCIN":
            yield from self._decode(step)
            return
        output = [line for line in step.expected if line.text.startswith("output ")]
        if output:
            wanted = b"".join(perl_bytes(line.text.removeprefix("output ")) for line in output)
            yield Outcome(str(output[0].number), _unlike(self._written, wanted))
        pushed = [line for line in step.expected if line.text.startswith("sb_pushline ")]
        if pushed:
            yield from self._history(pushed)
        missed = {line.number for line in self._drawn}
        for line in step.expected:
            if line.text.startswith("putglyph "):
                problem = views.glyph_problem(self.screen, line.text) if line.number in missed else ""
            else:
                problem = views.problem(self.screen, line.text)
            if problem is not None:
                yield Outcome(str(line.number), problem)

    def _decode(self, step: Step) -> Iterator[Outcome]:
        """Hold the decoder against what a script expects of it, where all of that can be seen on a screen."""
        wanted = [code for line in step.expected for code in numbers(line.text.removeprefix("encout "))]
        if not all(code > _LAST_CONTROL or 0x20 <= code < 0x7F for code in wanted):
            return
        start = self._decoding.cursor.x
        self._decoding.feed(perl_bytes(step.argument))
        if step.expected:
            text = "".join(self._decoding.rows[0].cells)[start : self._decoding.cursor.x]
            yield Outcome(str(step.expected[0].number), _unlike([ord(character) for character in text], wanted))

    def _history(self, lines: list[Line]) -> Iterator[Outcome]:
        count = self.screen.scrolled - self._scrolled
        rows = list(self.screen.scrollback)[len(self.screen.scrollback) - count :] if count > 0 else []
        texts = ["".join(row.cells).rstrip() for row in rows]
        for line, text in zip(lines, [*texts, *[None] * len(lines)], strict=False):
            wanted = "".join(chr(int(code, 16)) for code in line.text.partition("=")[2].split())
            yield Outcome(str(line.number), _unlike(text, wanted))


def _unlike(shown: object, wanted: object) -> str:
    return "" if shown == wanted else f"{shown!r} for {wanted!r}"

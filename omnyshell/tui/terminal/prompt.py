"""The strip below a terminal: a menu of keys, a question, or a line to fill in.

It gets its keys from the focused terminal, so that the program gets no events of lost and regained focus.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rich.text import Text
from textual import events
from textual.timer import Timer
from textual.widget import Widget

from omnyshell.tui.terminal.line_editing import EditedLine


@dataclass(frozen=True, slots=True)
class Choice:
    """A key and what it stands for. `label` is how people read the key; one of a series is listed with the first."""

    key: str
    text: str
    label: str = ""
    is_listed: bool = True
    """Whether it is shown; other names of a key are not."""

    @property
    def shown(self) -> str:
        """The key as it is shown."""
        return self.label or self.key


class Prompt(Protocol):
    """What the strip can show."""

    def text(self, width: int) -> Text:
        """Return what is shown."""

    def takes(self, key: str) -> bool:
        """Whether the key is for the prompt. Any other one closes it, and goes on to the terminal."""

    def press(self, key: str, character: str | None) -> bool:
        """Handle a key; return whether the strip has to be closed. A choice is reported before that."""

    def paste(self, text: str) -> bool:
        """Take a paste. What does not is closed by it, and the paste goes on to the terminal."""


@dataclass(slots=True)
class Menu:
    """Keys to choose from; any other key closes it. `chosen` gets the key."""

    title: str
    choices: Sequence[Choice]
    chosen: Callable[[str], None]
    is_question: bool = False

    def text(self, width: int) -> Text:
        """Return title and choices, as many to a line as fit."""
        text = Text(self.title, style="bold reverse" if self.is_question else "bold")
        column = text.cell_len
        for choice in filter(lambda one: one.is_listed, self.choices):
            part = Text.assemble((f" {choice.shown} ", "bold reverse"), f" {choice.text}")
            gap = 2 if column else 0
            if column + gap + part.cell_len > width and column:
                text.append("\n")
                column = gap = 0
            text.append(" " * gap)
            text.append_text(part)
            column += gap + part.cell_len
        return text

    def takes(self, key: str) -> bool:  # noqa: ARG002
        """Take any key."""
        return True

    def press(self, key: str, character: str | None) -> bool:
        """Report a choice; whatever the key, the menu is over."""
        known = {choice.key for choice in self.choices}
        for name in (key, character or ""):
            if name in known:
                self.chosen(name)
                break
        return True

    def paste(self, text: str) -> bool:  # noqa: ARG002
        """Take none: no text that was copied elsewhere answers a question."""
        return False


def _nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(slots=True)
class LineInput:
    """A line to fill in. `entered` gets it, unless it was left with escape; an empty one stands for `earlier`.

    `typed` gets it at each change, and `left` is called where it was left.
    """

    title: str
    entered: Callable[[str], object]
    earlier: str = ""
    typed: Callable[[str], object] = _nothing
    left: Callable[[], object] = _nothing
    line: EditedLine = field(default_factory=EditedLine)

    def text(self, width: int) -> Text:
        """Return title, what was typed, and a cursor; a hint where there is room."""
        before, behind = self.line.text[: self.line.cursor], self.line.text[self.line.cursor :]
        text = Text.assemble((f"{self.title} ", "bold"), before)
        if behind:
            text.append(behind[0], "reverse").append(behind[1:])
        else:
            text.append("\N{FULL BLOCK}", "blink")
        earlier = ", \N{UPWARDS ARROW} the last one" if self.earlier else ""
        hint = f"   enter takes it{earlier}, esc leaves"
        if text.cell_len + len(hint) <= width:
            text.append(hint, "dim")
        return text

    def takes(self, key: str) -> bool:  # noqa: ARG002
        """Take any key."""
        return True

    def press(self, key: str, character: str | None) -> bool:
        """Edit the line."""
        before = self.line.text
        if key == "enter":
            self.entered(before or self.earlier)
        elif key in ("escape", "ctrl+c"):
            self.left()
        elif key in ("up", "ctrl+p"):
            self.line.replace(self.earlier)
        else:
            self.line.press(key, character)
        self._tell(before)
        return key in ("enter", "escape", "ctrl+c")

    def paste(self, text: str) -> bool:
        """Take the first line."""
        before = self.line.text
        self.line.insert("".join(text.strip("\r\n").splitlines()[:1]))
        self._tell(before)
        return True

    def _tell(self, before: str) -> None:
        if self.line.text != before:
            self.typed(self.line.text)


@dataclass(slots=True)
class Repeated:
    """Keys that can be pressed again and again; `chosen` gets each of them. `leaving` close it and do nothing else."""

    title: str
    keys: Collection[str]
    chosen: Callable[[str], None]
    leaving: Collection[str] = ("escape", "enter")

    def text(self, width: int) -> Text:  # noqa: ARG002
        """Return the title."""
        return Text(self.title, style="bold")

    def takes(self, key: str) -> bool:
        """Take no other key, so that it is not lost for the program."""
        return key in self.keys or key in self.leaving

    def press(self, key: str, character: str | None) -> bool:  # noqa: ARG002
        """Report the key."""
        if key in self.keys:
            self.chosen(key)
        return key in self.leaving

    def paste(self, text: str) -> bool:  # noqa: ARG002
        """Take none."""
        return False


class Strip(Widget):
    """Shows a prompt, over the last lines of the screen; hidden while there is none."""

    DEFAULT_CSS = """
    Strip {
        dock: bottom; layer: above; height: auto; max-height: 8; width: 100%; padding: 0 1;
        background: $panel; color: $bar-text; display: none;
    }
    Strip.-shown { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._prompt: Prompt | None = None
        self._ending: Timer | None = None

    @property
    def prompt(self) -> Prompt | None:
        """What is shown."""
        return self._prompt

    def ask(self, prompt: Prompt | None, seconds: float | None = None) -> None:
        """Show a prompt in place of what was there, for some seconds or until it is answered; None for nothing."""
        if self._ending is not None:
            self._ending.stop()
        self._ending = self.set_timer(seconds, lambda: self._end(prompt)) if seconds is not None else None
        self._prompt = prompt
        self.set_class(prompt is not None, "-shown")
        self.refresh(layout=True)

    def press(self, event: events.Key) -> bool:
        """Give a key to the prompt; returns False where there is none."""
        prompt = self._prompt
        if prompt is None:
            return False
        if not prompt.takes(event.key):
            self.ask(None)
            return False
        if prompt.press(event.key, event.character):
            self._end(prompt)
        else:
            self.refresh(layout=True)
        return True

    def paste(self, text: str) -> bool:
        """Give a paste to the prompt; returns False where it takes none."""
        prompt = self._prompt
        is_taken = prompt is not None and prompt.paste(text)
        self.ask(prompt if is_taken else None)
        return is_taken

    def _end(self, prompt: Prompt | None) -> None:
        """Close a prompt, unless another one was opened already: by the choice, or before its time was over."""
        if self._prompt is prompt:
            self.ask(None)

    def render(self) -> Text:
        """Return what the prompt shows."""
        width = self.size.width or self.app.size.width - 2
        return Text() if self._prompt is None else self._prompt.text(width)

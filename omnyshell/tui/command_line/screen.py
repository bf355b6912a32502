"""The `:` line at the bottom, over whatever is shown."""

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from omnyshell.tui.command_line.completing import Completer
from omnyshell.tui.command_line.doing import CommandError, Doing, Prepared
from omnyshell.tui.command_line.history import History, Recalling
from omnyshell.tui.formats import fitted
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.suggestions import Suggestion, Suggestions
from omnyshell.tui.widgets.completing import CompletingField

OFFERED: Final = 8
"""Lines above the line for what it may become."""

LEFT_FREE: Final = 10
"""Lines of the screen that are not taken for all that can be typed."""

RECENT: Final = 3
"""How many of the lines that were entered before are among that."""

LONGEST: Final = 30
"""Cells of a text that is offered, where others have less."""

HINT: Final = "tab completes   ↑ what was entered before   esc leaves"


class _Line(CompletingField):
    """What is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "recall(1)", show=False),
        Binding("down", "recall(-1)", show=False),
    ]

    def __init__(self, completer: Completer, history: History) -> None:
        super().__init__(completer.complete, compact=True, id="typed")
        self._history = history
        self._recalling = Recalling(history.lines)

    def inline(self, line: str) -> str | None:
        """What was entered last that begins so, or else what the line may become."""
        entered = next((kept for kept in reversed(self._history.lines) if kept.startswith(line) and kept != line), None)
        return entered or super().inline(line)

    def action_recall(self, by: int) -> None:
        """Go back through what was entered before, or forward again."""
        self.value = self._recalling.step(self.value, by)
        self.cursor_position = len(self.value)


class CommandLine(ModalScreen[Prepared | None]):
    """Returns what does the command that was entered, or None if it was left."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FORM)
    AUTO_FOCUS = "#typed"
    DEFAULT_CSS = """
    CommandLine {
        align: left bottom;
        background: transparent;
        #all { width: 100%; height: auto; background: $panel; color: $bar-text; border-top: solid $primary; }
        #offered { height: auto; padding: 0 1; color: $bar-muted; background: $panel; }
        .line { height: 1; padding: 0 1; }
        .line Label { width: 1; color: $bar-primary; text-style: bold; }
        #typed { width: 1fr; height: 1; border: none; padding: 0; background: $panel; color: $bar-text; }
        #said { height: auto; max-height: 3; padding: 0 1; color: $bar-muted; background: $panel; }
        #said.-wrong { color: $bar-error; }
    }
    """

    def __init__(self, doing: Doing, completer: Completer, history: History, begun: str = "") -> None:
        """`begun` is what is typed already."""
        super().__init__()
        self._begun = begun
        self._doing = doing
        self._completer = completer
        self._history = history

    def compose(self) -> ComposeResult:
        """What may be meant, the line, and what is said of it."""
        with Vertical(id="all"):
            offered = Static(id="offered", markup=False)
            offered.display = False
            yield offered
            with Horizontal(classes="line"):
                yield Label(":")
                yield _Line(self._completer, self._history)
            yield Static(HINT, id="said", markup=False)

    def on_mount(self) -> None:
        """Show what can be typed."""
        self.query_one("#typed", Input).value = self._begun
        self._offer(self._begun)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what the line may become, and what its command is."""
        event.stop()
        self._offer(event.value.lstrip(":"))

    def _offer(self, line: str) -> None:
        offered = self._completer.complete(line) if line.strip() else self._everything()
        shown = self.query_one("#offered", Static)
        shown.update(self._shown(offered))
        shown.display = bool(offered.found)
        self._say(self._doing.explain(line) or HINT)

    def _everything(self) -> Suggestions:
        """What was entered last, and all commands."""
        recent = [Suggestion(line, "entered before") for line in list(self._history.lines)[: -RECENT - 1 : -1]]
        return Suggestions(0, [*recent, *self._completer.complete("").found])

    def _shown(self, offered: Suggestions) -> Content:
        is_all = not self.query_one("#typed", Input).value.strip(": ")
        found = offered.found[: max(OFFERED, self.app.size.height - LEFT_FREE) if is_all else OFFERED]
        width = min(LONGEST, max((len(one.text) for one in found), default=0))
        room = max(1, self.app.size.width - 2)
        lines = [Content(fitted(f"{fitted(one.text, width)}  {_plain(one.about)}", room).rstrip()) for one in found]
        more = len(offered.found) - len(found)
        if more > 0:
            lines[-1] = Content(f"… and {more + 1} more")
        return Content("\n").join(lines)

    def _say(self, text: str, *, is_wrong: bool = False) -> None:
        said = self.query_one("#said", Static)
        said.update(_plain(text))
        said.set_class(is_wrong, "-wrong")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do it, or say what is wrong."""
        event.stop()
        line = event.value.lstrip(":")
        if not line.strip():
            self.dismiss(None)
            return
        try:
            prepared = self._doing.prepare(line)
        except CommandError as exc:
            self._say(str(exc), is_wrong=True)
            return
        self._history.add(line)
        self.dismiss(prepared)

    def action_close(self) -> None:
        """Leave the line."""
        self.dismiss(None)


def _plain(text: str) -> str:
    """Text without the marks that documents want around what is typed."""
    return text.replace("`", "")

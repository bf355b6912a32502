"""What all dialogs share: a box in the middle, a line for what is wrong, buttons below."""

from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Label, Select, Static

from omnyshell.printable import printable
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.widgets.field import Field

T = TypeVar("T")


class Dialog(ModalScreen[T | None], Generic[T]):
    """Asks for something and returns it, or None where it was left with Escape.

    A subclass gives `TITLE`, `ACTION` (what its button does), `form`, and `answer`, which raises `ValueError` where a
    field is wrong.
    """

    TITLE: ClassVar[str]
    ACTION: ClassVar[str]
    IS_DANGEROUS: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FORM)
    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        background: $background 60%;
        #box {
            width: 72;
            max-width: 100%;
            height: auto;
            max-height: 100%;
            border: round $primary;
            border-title-color: $primary;
            border-subtitle-color: $muted;
            background: $surface;
            padding: 1 2;
            scrollbar-size-vertical: 1;
        }
        &.-dangerous #box { border: round $error; border-title-color: $error; }
        .row { height: 1; margin-bottom: 1; }
        Label { width: 14; color: $muted; }
        Input { width: 1fr; background: $panel; }
        Checkbox, Select { width: 1fr; background: $surface; }
        .text { height: auto; margin-bottom: 1; }
        #error { color: $error; height: auto; display: none; margin-bottom: 1; }
        #error.-shown { display: block; }
        .buttons { height: 1; align-horizontal: right; }
        .buttons Button { margin-left: 2; }
    }
    """

    def compose(self) -> ComposeResult:
        """The form, what is wrong with it, and the buttons."""
        self.set_class(self.IS_DANGEROUS, "-dangerous")
        with VerticalScroll(id="box", can_focus=False) as box:
            box.border_title = self.TITLE
            box.border_subtitle = "esc leaves"
            yield from self.form()
            yield Static(id="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(self.ACTION, id="do", variant="error" if self.IS_DANGEROUS else "primary", compact=True)

    def form(self) -> Iterable[Widget]:
        """What stands above the buttons."""
        raise NotImplementedError

    def answer(self) -> T:
        """What was filled in. Raises `ValueError` that says what is wrong and what would be right."""
        raise NotImplementedError

    def value(self, name: str) -> str:
        """What a field holds."""
        return self.query_one(f"#{name}", Field).value.strip()

    def is_checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.query_one(f"#{name}", Checkbox).value

    def confirm(self) -> None:
        """Return the answer, or say what is wrong."""
        try:
            self.dismiss(self.answer())
        except ValueError as exc:
            self.complain(str(exc))

    def complain(self, text: str) -> None:
        """Say what is wrong; nothing where all is well."""
        error = self.query_one("#error", Static)
        error.update(printable(text))
        error.set_class(bool(text), "-shown")

    def on_input_changed(self) -> None:
        """Say at once what is wrong, once something has been filled in; what is missing still is not wrong yet."""
        try:
            self.answer()
        except MissingError:
            self.complain("")
        except ValueError as exc:
            self.complain(str(exc))
        else:
            self.complain("")

    def on_input_submitted(self) -> None:
        """Enter confirms."""
        self.confirm()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Confirm or leave."""
        event.stop()
        if event.button.id == "do":
            self.confirm()
        else:
            self.action_close()

    def action_close(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)


class MissingError(ValueError):
    """Something has not been filled in yet."""


def row(title: str, widget: Widget) -> Widget:
    """A line of a form: its name and what is filled in."""
    return Horizontal(Label(title), widget, classes="row")


def field(name: str, value: str = "", hint: str = "") -> Field:
    """A line to type into."""
    return Field(value, placeholder=hint, id=name, compact=True)


def choice(name: str, options: Iterable[tuple[str, str]], value: str) -> "Select[str]":
    """A choice of a few: what is shown and what it means."""
    return Select(list(options), value=value, allow_blank=False, id=name, compact=True)

"""What lies in a box over the screen, and the keys of forms: the one look of both."""

from collections.abc import Mapping
from typing import ClassVar, Generic, TypeVar

from textual.binding import BindingType
from textual.containers import Grid
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Label, Static

from omnyshell.printable import printable
from omnyshell.tui.dialogs.reading import FormError
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.widgets.field import Field

T = TypeVar("T")


class Boxed(ModalScreen[T | None], Generic[T]):
    """Has its content in `#box`. Returns a value, or None if it was left."""

    DEFAULT_CSS = """
    Boxed {
        align: center middle;
        background: $veil;
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
    }
    """

    def action_close(self) -> None:
        """Leave without a value."""
        self.dismiss(None)


class Form(Boxed[T]):
    """What has fields, between which arrows move too, where they do nothing within one."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FORM)
    DEFAULT_CSS = """
    Form {
        .row {
            height: auto;
            margin-bottom: 1;
            grid-size: 2;
            grid-columns: 14 1fr;
            grid-rows: auto;
        }
        .problem { color: $error; height: auto; column-span: 2; padding-left: 14; display: none; }
        .problem.-shown { display: block; }
        Label { width: 14; color: $muted; }
        Checkbox, Select { width: 1fr; background: $surface; }
        .text { height: auto; margin-bottom: 1; }
        #error { color: $error; height: auto; display: none; margin-bottom: 1; }
        #error.-shown { display: block; }
        Input { width: 1fr; background: $panel; color: $bar-text; }
    }
    """

    def action_move(self, by: int) -> None:
        """Go to the next field, or with -1 to the one before."""
        if by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def refuse(self, error: FormError) -> None:
        """Show what is wrong or missing beside each field, and go to the first."""
        self.point_out(error.missing | error.wrong)
        self.go_to(next(iter(error.wrong | error.missing)))

    def go_to(self, name: str) -> None:
        """Move the focus to a field with an error."""
        widget = self.query_one(f"#{name}")
        widget.focus()
        if isinstance(widget, Field):
            widget.was_refused()

    def complain(self, text: str) -> None:
        """Show an error of the whole form; "" clears it."""
        error = self.query_one("#error", Static)
        error.update(printable(text))
        error.set_class(bool(text), "-shown")

    def point_out(self, problems: Mapping[str, str]) -> None:
        """Show the error of each of these fields beside it, and clear the others."""
        self.complain("")
        for line in self.query(".problem").results(Static):
            text = next((problems[name] for name in problems if line.id == _problem_id(name)), "")
            line.update(printable(text))
            line.set_class(bool(text), "-shown")


def row(title: str, widget: Widget) -> Widget:
    """A row of a form: its name, its widget, and space for an error below."""
    problem = Static(id=_problem_id(widget.id) if widget.id else None, classes="problem", markup=False)
    return Grid(Label(title), widget, problem, classes="row")


def _problem_id(name: str) -> str:
    return f"wrong-{name}"

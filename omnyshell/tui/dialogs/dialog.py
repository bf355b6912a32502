"""The base of all dialogs: a centred box, a line for errors, and buttons."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Label, Select, Static

from omnyshell.errors import OmnyShellException
from omnyshell.printable import printable
from omnyshell.tui.advice import advice
from omnyshell.tui.dialogs.reading import FormError, Reading
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.field import Field

T = TypeVar("T")


class Dialog(ModalScreen[T | None], Generic[T]):
    """Asks for a value and returns it, or None if it was left with Escape.

    A subclass has `TITLE`, `ACTION` (the text of its button), `form`, and `read`. With `act`, the answer is carried out
    before the dialog closes, so a refusal is shown in the dialog, and nothing has to be filled in again.
    """

    TITLE: ClassVar[str]
    ACTION: ClassVar[str]
    LEAVE: ClassVar[str] = "Cancel"
    """The text of the cancel button."""

    WAITING: ClassVar[str] = "Asking the hub…"
    """The text while the answer is carried out."""

    IS_DANGEROUS: ClassVar[bool] = False
    FIELDS_OF: ClassVar[Mapping[str, str]] = {}
    """The field to which an error of the hub belongs, by the error's code."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FORM)
    DEFAULT_CSS = """
    Dialog {
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
        &.-dangerous #box { border: round $error; border-title-color: $error; }
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
        Input { width: 1fr; background: $panel; color: $bar-text; }
        Checkbox, Select { width: 1fr; background: $surface; }
        .text { height: auto; margin-bottom: 1; }
        #error { color: $error; height: auto; display: none; margin-bottom: 1; }
        #error.-shown { display: block; }
        .wait { width: 1fr; color: $muted; }
        .buttons { height: 1; align-horizontal: right; }
        .buttons Button { margin-left: 2; }
    }
    """

    def __init__(self, act: Callable[[T], Awaitable[None]] | None = None) -> None:
        super().__init__()
        self._act = act

    def compose(self) -> ComposeResult:
        """The form, the line for errors, and the buttons."""
        self.set_class(self.IS_DANGEROUS, "-dangerous")
        with VerticalScroll(id="box", can_focus=False) as box:
            box.border_title = self.TITLE
            box.border_subtitle = "esc leaves"
            yield from self.form()
            yield Static(id="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Static(id="wait", classes="wait", markup=False)
                yield Button(self.LEAVE, id="cancel", compact=True)
                yield Button(self.ACTION, id="do", variant="error" if self.IS_DANGEROUS else "primary", compact=True)

    def form(self) -> Iterable[Widget]:
        """The widgets above the buttons."""
        raise NotImplementedError

    def read(self, reading: Reading) -> T:
        """Return the value of the form; errors of fields are collected in `reading`."""
        raise NotImplementedError

    def answer(self) -> T:
        """Return the value of the form. Raises `FormError` that says what is wrong and what would be right."""
        reading = Reading(self.value)
        answer = self.read(reading)
        reading.check()
        return answer

    def value(self, name: str) -> str:
        """The text of a field, or the value of a choice."""
        widget = self.query_one(f"#{name}")
        return str(widget.value) if isinstance(widget, Select) else self.query_one(f"#{name}", Field).value.strip()

    def is_checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.query_one(f"#{name}", Checkbox).value

    def confirm(self) -> None:
        """Return the answer, or show errors."""
        try:
            answer = self.answer()
        except FormError as exc:
            self.point_out(exc.missing | exc.wrong)
            self.query_one(f"#{next(iter(exc.wrong | exc.missing))}").focus()
            return
        self.point_out({})
        if self._act is None:
            self.dismiss(answer)
        elif not self.query_one("#do", Button).disabled:
            start_task(self, self._carry_out(answer, self._act), self.ACTION)

    async def _carry_out(self, answer: T, act: Callable[[T], Awaitable[None]]) -> None:
        button, wait = self.query_one("#do", Button), self.query_one("#wait", Static)
        button.disabled = True
        wait.update(self.WAITING)
        try:
            await act(answer)
        except OmnyShellException as exc:
            where = self.FIELDS_OF.get(exc.code, "")
            if where:
                self.point_out({where: advice(exc)})
                self._go_to(where)
            else:
                self.complain(advice(exc))
        else:
            self.dismiss(answer)
        finally:
            button.disabled = False
            wait.update("")

    def _go_to(self, name: str) -> None:
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

    def on_input_changed(self) -> None:
        """Show errors at once; a field that is still empty is no error yet."""
        try:
            self.answer()
        except FormError as exc:
            self.point_out(exc.wrong)
        else:
            self.point_out({})

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


def row(title: str, widget: Widget) -> Widget:
    """A row of a form: its name, its widget, and space for an error below."""
    problem = Static(id=_problem_id(widget.id) if widget.id else None, classes="problem", markup=False)
    return Grid(Label(title), widget, problem, classes="row")


def _problem_id(name: str) -> str:
    return f"wrong-{name}"


def field(name: str, value: str = "", hint: str = "") -> Field:
    """A line to type into."""
    return Field(value, placeholder=hint, id=name, compact=True)


def choice(name: str, options: Iterable[tuple[str, str]], value: str) -> "Select[str]":
    """A choice from pairs of a shown text and a value."""
    return Select(list(options), value=value, allow_blank=False, id=name, compact=True)

"""The base of all dialogs: a centred box, a line for errors, and buttons."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Select, Static

from omnyshell.errors import OmnyShellException
from omnyshell.tui.advice import advice
from omnyshell.tui.dialogs.boxed import Form
from omnyshell.tui.dialogs.reading import FormError, Reading
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.choice import Choice
from omnyshell.tui.widgets.field import Field

T = TypeVar("T")


class Dialog(Form[T]):
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

    DEFAULT_CSS = """
    Dialog {
        &.-dangerous #box { border: round $error; border-title-color: $error; }
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
            box.border_title = Content(self.TITLE)
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
            self.refuse(exc)
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
                self.go_to(where)
            else:
                self.complain(advice(exc))
        else:
            self.dismiss(answer)
        finally:
            button.disabled = False
            wait.update("")

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


def field(name: str, value: str = "", hint: str = "") -> Field:
    """A line to type into."""
    return Field(value, placeholder=hint, id=name, compact=True)


def choice(name: str, options: Iterable[tuple[str, str]], value: str) -> Choice:
    """A choice from pairs of a shown text and a value."""
    return Choice(list(options), value=value, allow_blank=False, id=name, compact=True)

"""A line to type into that knows how it may go on."""

from collections.abc import Callable
from typing import Any, ClassVar

from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.suggester import Suggester

from omnyshell.tui.suggestions import Completing, Suggestions
from omnyshell.tui.widgets.field import Field

Complete = Callable[[str], Suggestions]
"""Returns what the end of a line may become."""


class _Inline(Suggester):
    """Shows behind the cursor what the line would become; `→` takes it."""

    def __init__(self, inline: Callable[[str], str | None]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._inline = inline

    async def get_suggestion(self, value: str) -> str | None:
        """The whole line, or None."""
        return self._inline(value) if value else None


class CompletingField(Field):
    """Tab completes what is typed, and then goes through what else there is; shift+tab goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete(1)", show=False),
        Binding("shift+tab", "complete(-1)", show=False),
    ]

    def __init__(self, complete: Complete, **more: Any) -> None:
        super().__init__(suggester=_Inline(self.inline), **more)
        self._complete = complete
        self._completing = Completing()

    def inline(self, line: str) -> str | None:
        """Return what the line would become, or None."""
        return self._complete(line).inline(line)

    def action_complete(self, step: int) -> None:
        """Complete the line, if its end is being typed; else the key has its usual effect."""
        if self.cursor_position < len(self.value) or not self.value:
            raise SkipAction
        line = self._completing.press(self.value, self._complete(self.value), step)
        self.value = line
        self.cursor_position = len(line)


class FilterLine(CompletingField):
    """The line of a filter, from which one goes on to the rows."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,down", "submit", "Rows", key_display="enter")]

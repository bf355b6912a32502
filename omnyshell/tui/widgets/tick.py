"""A box to tick."""

from textual.widgets import Checkbox


class Tick(Checkbox):
    """A checkbox that is empty while it is not ticked: Textual's shows the same sign then, in another colour."""

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]  # noqa: N802 - Textual's name for the sign
        """The sign in the box."""
        return "✓" if self.value else " "

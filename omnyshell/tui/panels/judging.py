"""Which keys of a panel do something now: by the user's rights on what is chosen, and by there being a row."""

from typing import ClassVar, Generic, TypeVar

from omnyshell.services.client.live.state import HubState
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context
from omnyshell.tui.needs import need_of, takes_row
from omnyshell.tui.panels.rows import Rows
from omnyshell.tui.rights import why_none, why_not
from omnyshell.tui.tasks import refuse

T = TypeVar("T")


class JudgedRows(Judged, Generic[T]):
    """The part of a panel that judges its keys."""

    SEVERAL: ClassVar[frozenset[str]] = frozenset()
    """The actions on all selected rows, not on the one under the cursor alone."""

    NAME: ClassVar[str]
    rows: Rows[T]
    state: HubState

    def why_empty(self) -> str:
        """Return why no row is shown, and what to do about it."""
        raise NotImplementedError

    @property
    def judged_context(self) -> Context:
        """The keys of this panel."""
        return Context(self.NAME)

    @property
    def judged_contexts(self) -> tuple[Context, ...]:
        """The keys of this panel, and those of all tables."""
        return (self.judged_context, Context.TABLE)

    def refusal(self, action: str) -> str:
        """Return why an action is refused: the user may not, or there is no row; "" if nothing is against it."""
        return self.forbids(action) or self._lacks_row(action)

    def forbids(self, action: str) -> str:
        """Return why the user may not do it to the row, or to all selected rows; "" if nothing is against it."""
        return why_none(need_of(self.judged_context, action), self._meant(action), self.state)

    def _lacks_row(self, action: str) -> str:
        """Why there is no row for an action that takes one."""
        takes = any(takes_row(context, action) for context in self.judged_contexts)
        return self.why_empty() if takes and not self._meant(action) else ""

    def _meant(self, action: str) -> list[T]:
        """The rows that an action is about."""
        if action in self.SEVERAL:
            return self.rows.chosen()
        return [self.rows.current] if self.rows.current is not None else []

    def allowed(self, action: str) -> list[T]:
        """Return the chosen rows to which an action may be done; why not to the others is told."""
        need, chosen = need_of(self.judged_context, action), self.rows.chosen()
        reasons = [why_not(need, item, self.state) for item in chosen]
        if any(reasons):
            left_out = sum(map(bool, reasons))
            refuse(self, f"{next(filter(None, reasons))} {left_out} of {len(chosen)} are left out.")
        return [item for item, why in zip(chosen, reasons, strict=True) if not why]

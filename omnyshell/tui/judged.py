"""Keys whose actions take a right or a row: dimmed where it is missing, and then they say why."""

from textual import events
from textual.dom import DOMNode

from omnyshell.tui.keys import Context, keys_of
from omnyshell.tui.tasks import refuse


class Judged(DOMNode):
    """Beside a widget or screen whose keys are those of `judged_contexts`.

    Whoever uses it calls `judge` when something has changed that it goes by: the item, or the rights.
    """

    _refusals: dict[str, str] = {}

    @property
    def judged_context(self) -> Context:
        """The keys that are judged."""
        raise NotImplementedError

    @property
    def judged_contexts(self) -> tuple[Context, ...]:
        """All keys that are judged."""
        return (self.judged_context,)

    def refusal(self, action: str) -> str:
        """Return why an action is refused now; "" if nothing is known to be against it. It asks nobody."""
        raise NotImplementedError

    def judge(self) -> None:
        """Judge all keys anew; the line of keys follows if it makes a difference."""
        actions = {key.action for key in keys_of(*self.judged_contexts)}
        found = {action: why for action in actions if (why := self.refusal(action))}
        is_other = found.keys() != self._refusals.keys()
        self._refusals = found
        if is_other and self.is_attached:
            self.screen.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what is refused."""
        return None if action in self._refusals else super().check_action(action, parameters)

    def on_key(self, event: events.Key) -> None:
        """Say why a key does nothing."""
        for key in keys_of(*self.judged_contexts):
            if event.key in key.keys.split(",") and (why := self._refusals.get(key.action)):
                event.stop()
                refuse(self, why)

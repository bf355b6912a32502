"""Follows one subscription (extension `events`), and passes messages to the state only while there is no gap."""

from enum import Enum, auto

from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.events import EventsEnded, EventsLagged, EventsSnapshot, EventsUpdate
from omnyshell.services.client.live.state import HubState


class Progress(Enum):
    """The effect of a message on the subscription."""

    NOTHING = auto()
    """None: the message belongs to another subscription, or not to the extension."""

    TAKEN = auto()
    COMPLETE = auto()
    """The snapshot is complete; from now on the state follows the hub."""

    BROKEN = auto()
    """The sequence has a gap: the state cannot be trusted, so subscribe again."""

    ENDED = auto()


class SubscriptionReader:
    """Applies the hub's messages of one subscription to a state. No I/O."""

    def __init__(self, subscription_id: str, state: HubState) -> None:
        self.id = subscription_id
        self.ended: EventsEnded | None = None
        self._state = state
        self._next = 1
        self._in_snapshot = False
        self._is_complete = False

    def receive(self, message: ControlMessage) -> Progress:
        """Handle a message of the hub."""
        if isinstance(message, EventsEnded) and message.subscription_id == self.id:
            self.ended = message
            return Progress.ENDED
        if not isinstance(message, EventsUpdate | EventsLagged) or message.subscription_id != self.id:
            return Progress.NOTHING
        if message.seq != self._next:
            return Progress.BROKEN
        self._next += 1
        if isinstance(message, EventsLagged):
            self._is_complete = self._in_snapshot = False
            self._state.add_missed_records(message.missed_records)
            return Progress.TAKEN
        return self._update(message)

    def _update(self, message: EventsUpdate) -> Progress:
        if isinstance(message, EventsSnapshot):
            if message.first is self._in_snapshot:
                return Progress.BROKEN
            self._in_snapshot = not message.last
            self._is_complete = message.last
        elif not self._is_complete:
            return Progress.BROKEN
        self._state.apply(message)
        return Progress.COMPLETE if isinstance(message, EventsSnapshot) and message.last else Progress.TAKEN

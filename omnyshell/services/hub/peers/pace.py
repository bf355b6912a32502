"""How fast a connection is read: what its principal asks too fast waits unread, and unfinished messages are counted."""

from omnyshell.model.principals import Principal
from omnyshell.protocol.limits import KIB
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelPaint,
    ChannelWindow,
    ControlMessage,
    NodeSessionDetached,
    NodeSessionOpened,
    NodeSessionRejected,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
)
from omnyshell.protocol.messages.base import Role
from omnyshell.protocol.messages.detached import RELAYED_ANSWERS
from omnyshell.services.hub.access.quota import Quota, stranger
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.transport.server_link import ServerLink

FLOW = frozenset(
    {
        ChannelWindow,
        ChannelEof,
        ChannelExit,
        ChannelClose,
        ChannelPaint,
        NodeSessionOpened,
        NodeSessionRejected,
        NodeSessionDetached,
        NodeTunnelConnected,
        NodeTunnelConnectFailed,
        *RELAYED_ANSWERS,
    }
)
"""What is said on channels that are open, and in answer: no requests, as long as they have a place."""

FLOW_COST = 1 / 16
"""What they count: a stream takes one for every 128 KiB."""

SMALL_DATA = 4 * KIB
SMALL_INPUT_COST, SMALL_OUTPUT_COST = 1 / 16, 1 / 32
"""What a data frame counts that is smaller: from a client, 16,000 a second, as each takes its node 25 us; from a node,
which sends no more than 15,000 a second itself, 32,000, as they take the hub 8 to 16 us. Larger ones have their
credit."""

MISPLACED_SIZE = 512 * KIB
"""Bytes of data without a place that count as one request more. What a session's end finds under way is cheap."""

REQUEST_TIME = 0.0005
"""Seconds that a request may take the hub: one that takes longer, as a list of all nodes does, counts for several."""

LONGEST_HOLD = 5.0
"""Seconds that a connection is not read at most: its heartbeats and pongs come in time, and then it is held again."""

FREE_REQUESTS = 16.0
"""What each connection may ask besides: a fleet that comes back at once is not slowed down."""


def cost_of(message: ControlMessage | None, had_place: bool) -> float:
    """Return as how many requests a message counts; None stands for one that cannot be read."""
    return FLOW_COST if had_place and type(message) in FLOW else 1.0


class Pace:
    """One connection's. `opened` with its link, `logged_in` once, `ended` once."""

    link: ServerLink

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._account = stranger()
        self._is_counted = False
        self._free = FREE_REQUESTS
        self._owed = 0.0
        """Parts of a request that the account has not been charged for yet."""

        self._small_data_cost = SMALL_INPUT_COST
        self._unfinished = 0
        """Bytes of an unfinished message that the account knows of."""

    def logged_in(self, who: Principal, role: str) -> None:
        """Count the connection, and what it asks from now on, for its principal."""
        if role == Role.NODE:
            self._small_data_cost = SMALL_OUTPUT_COST
        self._account = self._quota.connected(who)
        self.link.count_queued(self._account.queued)
        self._is_counted = True

    def ended(self) -> None:
        """Give back what the connection had."""
        if self._is_counted:
            self._is_counted = False
            self._quota.unfinished_grew(self._account, -self._unfinished)
            self._quota.disconnected(self._account)

    def said(self, cost: float, took: float) -> None:
        """Count a message as so many requests, for more where it took the hub long; `took` in seconds."""
        self._owed += cost if took < REQUEST_TIME * cost else took / REQUEST_TIME
        if self._owed >= 1:
            self.charge(0)

    def small_data(self) -> None:
        """Count a data frame below `SMALL_DATA`."""
        self._owed += self._small_data_cost
        if self._owed >= 1:
            self.charge(0)

    def misplaced(self, size: int) -> None:
        """Count, besides, what a data frame of so many bytes costs that has no place."""
        self._owed += size / MISPLACED_SIZE
        if self._owed >= 1:
            self.charge(0)

    def charge(self, cost: float = 1.0) -> None:
        """Count what costs as much as so many requests; where that is too much for now, the rest is read later."""
        cost += self._owed
        self._owed = 0.0
        if self._free > 0:
            self._free -= cost
            return
        wait = self._account.charge(self.link.last_heard, cost)
        if wait:
            self._quota.refused[Resource.REQUESTS] += 1
            self.link.hold_reading(min(wait, LONGEST_HOLD))

    def slow_read(self, frames: int) -> str:
        """Take note of so many frames that did not come whole or at once; returns why there are too many, if so."""
        if frames:
            self.charge(frames)
        grown = self.link.unfinished_bytes - self._unfinished if self._is_counted else 0
        self._unfinished += grown
        return self._quota.unfinished_grew(self._account, grown) if grown else ""

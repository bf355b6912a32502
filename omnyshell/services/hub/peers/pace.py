"""The rate at which a connection is read: requests that come too fast stay unread for a while.

Counts unfinished messages too.
"""

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
from omnyshell.protocol.messages.forwards import ForwardDial
from omnyshell.protocol.messages.history import NodeSessionHistoryResponse
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
        ForwardDial,
        NodeSessionOpened,
        NodeSessionRejected,
        NodeSessionDetached,
        NodeTunnelConnected,
        NodeTunnelConnectFailed,
        *RELAYED_ANSWERS,
        NodeSessionHistoryResponse,
    }
)
"""Messages on open channels, and answers; they count less than requests if there is a channel or request for them."""

FLOW_COST = 1 / 16
"""The cost of such a message, in requests: a stream has one for every 128 KiB."""

SMALL_DATA = 4 * KIB
SMALL_INPUT_COST, SMALL_OUTPUT_COST = 1 / 16, 1 / 32
"""The cost of a small data frame, in requests. It allows a client 16,000 a second, as each takes its node 25 us, and a
node 32,000, which take the hub 8 to 16 us each; our nodes send at most 15,000. Larger frames are limited by credit."""

MISPLACED_SIZE = 512 * KIB
"""Dropped bytes of data that count as one more request. It is large, as a session's end leaves some frames under
way."""

REQUEST_TIME = 0.0005
"""Seconds of the hub's time that one request stands for; a slower one, such as a list of all nodes, counts as
several."""

LONGEST_HOLD = 5.0
"""Seconds for which reading is held at most, so that heartbeats and pongs are read in time; it may be held again
then."""

FREE_REQUESTS = 16.0
"""Requests that each connection may send in addition, so that a reconnecting fleet is not slowed down."""


def cost_of(message: ControlMessage | None, had_place: bool) -> float:
    """Return the cost of a message in requests; None stands for one that cannot be decoded."""
    return FLOW_COST if had_place and type(message) in FLOW else 1.0


class Pace:
    """The pace of one connection. Set `link` when it opens, then call `logged_in` and `ended` once each."""

    link: ServerLink

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._account = stranger()
        self._is_counted = False
        self._free = FREE_REQUESTS
        self._owed = 0.0
        """The cost that the account was not charged yet, less than a request."""

        self._small_data_cost = SMALL_INPUT_COST
        self._unfinished = 0
        """Bytes of an unfinished message that the account has counted."""

    def logged_in(self, who: Principal, role: str) -> None:
        """Count the connection and its later requests for its principal."""
        if role == Role.NODE:
            self._small_data_cost = SMALL_OUTPUT_COST
        self._account = self._quota.connected(who)
        self.link.count_queued(self._account.queued)
        self._is_counted = True

    def ended(self) -> None:
        """Remove the connection from its principal's account."""
        if self._is_counted:
            self._is_counted = False
            self._quota.unfinished_grew(self._account, -self._unfinished)
            self._quota.disconnected(self._account)

    def said(self, cost: float, took: float) -> None:
        """Charge a message as `cost` requests, or more if it took the hub long; `took` is in seconds."""
        self._owed += cost if took < REQUEST_TIME * cost else took / REQUEST_TIME
        if self._owed >= 1:
            self.charge(0)

    def small_data(self) -> None:
        """Charge a data frame smaller than `SMALL_DATA`."""
        self._owed += self._small_data_cost
        if self._owed >= 1:
            self.charge(0)

    def misplaced(self, size: int) -> None:
        """Charge a dropped data frame of `size` bytes, in addition."""
        self._owed += size / MISPLACED_SIZE
        if self._owed >= 1:
            self.charge(0)

    def charge(self, cost: float = 1.0) -> None:
        """Charge `cost` requests; if that is too much for now, hold reading."""
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
        """Charge frames that did not come whole and at once; return why their bytes are too many, or ""."""
        if frames:
            self.charge(frames)
        grown = self.link.unfinished_bytes - self._unfinished if self._is_counted else 0
        self._unfinished += grown
        return self._quota.unfinished_grew(self._account, grown) if grown else ""

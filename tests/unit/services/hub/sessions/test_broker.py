"""How sessions open and end, with peers that remember what they were sent."""

from itertools import chain, count
from typing import Any

import pytest
from support.clock import FakeClock
from support.enrolments import owners_in_memory

from omnyshell import (
    AuditLog,
    ChannelClose,
    HubBroker,
    NodeRegister,
    NodeRegistry,
    NodeSessionDetached,
    NodeSessionOpened,
    PlatformInfo,
    Principal,
    PrincipalId,
    RoleBasedAuthorizer,
    SessionOpen,
    SessionRouter,
    SessionState,
)
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.limits import QuotaLimits
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.kept import KeptSessions
from omnyshell.services.hub.sessions.relay import Relay


class RecordingPeer:
    """A connection that remembers what it was sent."""

    is_choked = False
    hub = ""

    def __init__(self, name: str, *roles: str) -> None:
        self.principal = Principal(PrincipalId(name), frozenset(roles))
        self.features = frozenset[str]()
        self.evidence = None
        self.id = f"connection of {name}"
        self.address = "192.0.2.1"
        self.is_open = True
        self.channels: dict[int, Any] = {}
        self.sent: list[tuple[int | None, Any]] = []

    def send(self, message: Any, channel: int | None = None) -> None:
        self.sent.append((channel, message))

    def send_in_order(self, message: Any, channel: int) -> None:
        self.sent.append((channel, message))

    def send_data(self, channel: int, raw: bytes) -> None:
        self.sent.append((channel, raw))

    def discard(self, channel: int) -> None:
        pass

    def dropped(self, _size: int) -> None:
        """Nobody reads it more slowly."""

    def fail(self, code: str, text: str) -> None:
        self.sent.append((None, code))

    def take(self) -> tuple[int | None, Any]:
        return self.sent.pop(0)


def register(node_id: str = "n1", **extra: Any) -> NodeRegister:
    return NodeRegister(node_id=node_id, platform=PlatformInfo(os="linux", arch="x64"), **extra)


class Table:
    """A broker with one node and one client."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.router = SessionRouter()
        self.audit = AuditLog(self.clock)
        registry = NodeRegistry(owners_in_memory(), {}, LocalEventBus())
        self.node, self.client = RecordingPeer("box", "node"), RecordingPeer("ann", "admin")
        registry.enter(self.node, register())
        self.broker = HubBroker(
            nodes=registry,
            router=self.router,
            relay=Relay(HubMetrics()),
            policy=HubPolicy(RoleBasedAuthorizer(), Locks(self.clock)),
            quota=Quota(QuotaLimits(max_channels=4)),
            audit=self.audit,
            metrics=HubMetrics(),
            clock=self.clock,
            new_id=chain(["session"], map(str, count())).__next__,
            kept=KeptSessions(self.clock),
            clipboards=ClipboardNotes(self.audit, self.clock),
            acting_on=lambda _session: (),
            bus=LocalEventBus(),
        )


def test_a_node_that_does_not_answer_is_given_up_after_thirty_seconds() -> None:
    table = Table()
    table.broker.open(table.client, SessionOpen(node_id="n1"), 1)
    channel, _ = table.node.take()
    table.broker.expire(table.clock.seconds + 29.9)
    assert table.client.sent == []
    table.broker.expire(table.clock.seconds + 30)
    assert table.client.take()[1].reason == "timeout"
    assert (table.node.take()[0], len(table.router)) == (channel, 0)
    assert channel not in table.node.channels
    assert table.client.channels == {}


def test_a_client_that_leaves_while_its_session_opens_ends_it_on_the_node() -> None:
    table = Table()
    table.broker.open(table.client, SessionOpen(node_id="n1"), 1)
    table.node.take()
    table.client.channels[1].message(ChannelClose(reason="client_closed"))
    assert table.node.take()[1].reason == "client_closed"
    assert len(table.router) == 0
    assert [record.action for record in table.audit] == ["session.close"]


def test_a_flood_ends_the_session() -> None:
    table = Table()
    table.broker.open(table.client, SessionOpen(node_id="n1"), 1)
    channel = table.node.take()[0] or 0
    table.node.channels[channel].flooded()
    assert table.client.take()[1].reason == "capacity_exceeded"
    table.broker.open(table.client, SessionOpen(node_id="n1"), 2)
    channel = table.node.take()[0] or 0
    table.node.channels[channel].message(NodeSessionOpened(session_id="session"))
    table.client.take()
    table.node.channels[channel].flooded()
    assert [peer.take()[1].reason for peer in (table.client, table.node)] == ["error", "error"]
    assert len(table.router) == 0


class FullPeer(RecordingPeer):
    """A client that takes no message more on a channel."""

    def send_in_order(self, message: Any, channel: int) -> None:
        self.send_in_order = super().send_in_order
        self.channels[channel].flooded()


@pytest.mark.parametrize("last", ["close", "detach", "node gone"])
def test_a_last_message_that_floods_the_client_ends_its_session_once(last: str) -> None:
    table = Table()
    table.client = client = FullPeer("ann", "admin")
    table.broker.open(client, SessionOpen(node_id="n1"), 1)
    channel = table.node.take()[0] or 0
    next(iter(table.router)).session.state = SessionState.OPEN
    if last == "close":
        table.node.channels[channel].message(ChannelClose())
    elif last == "detach":
        table.node.channels[channel].message(NodeSessionDetached(session_id="session", short_id="session"))
    else:
        table.broker.node_gone(table.node)
    assert [record.action for record in table.audit] == ["session.close"]
    assert [message.reason for _, message in client.sent] == ["error"]
    assert len(table.router) == 0


def test_a_connection_has_a_bounded_number_of_channels() -> None:
    table = Table()
    for channel in range(1, 6):
        table.broker.open(table.client, SessionOpen(node_id="n1"), channel)
    assert [message.reason for _, message in table.client.sent] == ["capacity_exceeded"]
    assert len(table.router) == 4

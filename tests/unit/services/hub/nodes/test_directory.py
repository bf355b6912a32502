"""What a directory of nodes owes those who look nodes up, wherever these are: the contract of `NodeDirectory`."""

import json
from itertools import chain, count
from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.enrolments import owners_in_memory
from support.fake_peers import FakePeer
from support.far_ends import DirectoryElsewhere
from support.listings import made_at_once

from omnyshell import PlatformInfo, RoleBasedAuthorizer
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.frames import DataOpcode, pack_data
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelExit,
    ChannelMessage,
    NodeCapabilitiesMessage,
    NodeRegister,
    NodeSessionOpened,
    SessionOpen,
)
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.limits import QuotaLimits
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import NodeDirectory, has_labels
from omnyshell.services.hub.nodes.listing import steps_of_list
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.kept import KeptSessions
from omnyshell.services.hub.sessions.relay import Relay
from omnyshell.services.hub.sessions.router import SessionRouter

LABELS = {"n1": {"allow-roles": "dev", "env": "prod"}, "n2": {"allow-roles": "ops", "env": "prod"}, "n3": {}}


class World:
    """Nodes, the directory where a hub looks them up, and the sessions that it opens there."""

    def __init__(self) -> None:
        self.registry = NodeRegistry(owners_in_memory(), {}, LocalEventBus())
        self.policy = HubPolicy(RoleBasedAuthorizer(), Locks(FakeClock()))
        self.directory: NodeDirectory = self.registry
        self.clock, self.router, self.audit = FakeClock(), SessionRouter(), AuditLog(FakeClock())

    def connect(self, node_id: str, labels: dict[str, str] | None = None) -> FakePeer:
        peer = FakePeer(f"box-{node_id}", "node")
        asked = NodeRegister(node_id=node_id, platform=PlatformInfo(os="linux", arch="x64"), labels=labels or {})
        self.registry.enter(cast("Any", peer), asked)
        return peer

    def broker(self) -> HubBroker:
        return HubBroker(
            nodes=self.directory,
            router=self.router,
            relay=Relay(HubMetrics()),
            policy=self.policy,
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

    def listed(self, wanted: dict[str, str], who: FakePeer | None = None) -> list[str]:
        def is_wanted(node: Any) -> bool:
            return has_labels(node, wanted) and (who is None or self.policy.may_know(who.principal, node))

        told = made_at_once(steps_of_list(self.directory.online(), self.directory.find, is_wanted))
        return [node["nodeId"] for node in json.loads(encode_control(told))["d"]["nodes"]]


class Elsewhere(World):
    """The same nodes, which another hub has."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = DirectoryElsewhere(self.registry)


@pytest.fixture(params=[World, Elsewhere])
def world(request: pytest.FixtureRequest) -> World:
    made: World = request.param()
    return made


def test_a_node_is_found_while_it_is_connected(world: World) -> None:
    assert world.directory.find("n1") is None
    peer = world.connect("n1")
    found = world.directory.find("n1")
    assert found is not None
    assert (found.node_id, found.peer.is_open) == ("n1", True)
    # Whoever compares what they found then and now sees whether it is the same registration.
    assert world.directory.find("n1") is found
    world.registry.remove(cast("Any", peer))
    assert world.directory.find("n1") is None


def test_the_newest_registration_has_the_id_and_the_older_ones_end_takes_nothing_along(world: World) -> None:
    older = world.connect("n1")
    before = world.directory.find("n1")
    newer = world.connect("n1", {"env": "new"})
    found = world.directory.find("n1")
    assert found is not None
    assert before is not None
    assert found is not before
    assert found.peer is not before.peer
    world.registry.remove(cast("Any", older))
    assert world.directory.find("n1") is found
    world.registry.remove(cast("Any", newer))
    assert world.directory.find("n1") is None


def test_nodes_are_listed_by_their_labels_and_by_who_may_know_them(world: World) -> None:
    for node_id, labels in sorted(LABELS.items(), reverse=True):
        world.connect(node_id, labels)
    assert world.listed({}) == ["n1", "n2", "n3"]
    assert world.listed({"env": "prod"}) == ["n1", "n2"]
    assert world.listed({"env": "prod", "platform": "linux"}) == ["n1", "n2"]
    assert world.listed({"platform": "plan9"}) == []
    assert world.listed({}, FakePeer("ann", "dev")) == ["n1"]
    assert world.listed({}, FakePeer("eve", "nothing")) == []
    assert world.listed({}, FakePeer("root", "admin")) == ["n1", "n2", "n3"]


def test_a_node_is_judged_by_what_it_says_and_what_its_hub_set_as_that_is_now(world: World) -> None:
    peer = world.connect("n1", LABELS["n1"])
    found = world.directory.find("n1")
    assert found is not None
    assert (found.labels, found.resource.hub_labels, found.capabilities) == (LABELS["n1"], {}, None)
    world.registry.set_ceiling("n1", {"allow-roles": "ops"})
    world.registry.set_capabilities(cast("Any", peer), NodeCapabilitiesMessage(max_sessions=2))
    assert found.resource.hub_labels == {"allow-roles": "ops"}
    assert found.capabilities is not None
    assert found.capabilities.max_sessions == 2
    assert found.describe().node_id == "n1"
    assert found.platform.os == "linux"
    assert found.size > 0


def test_channels_toward_a_node_are_numbered_once(world: World) -> None:
    world.connect("n1")
    found = world.directory.find("n1")
    assert found is not None
    numbers = [found.allocate_channel() for _ in range(10)]
    assert len(set(numbers)) == 10
    # One who registers anew on the same connection goes on with the numbers.
    again = world.directory.find("n1")
    assert again is not None
    assert again.allocate_channel() not in numbers


class Sessions:
    """A client of the hub that asked, and the one node, wherever it is."""

    def __init__(self, world: World) -> None:
        self.world, self.broker = world, world.broker()
        self.node, self.client = world.connect("n1", {"allow-roles": "dev"}), FakePeer("ann-1", "dev")

    def open(self) -> int:
        """Ask for a session; returns the channel on which the node was asked."""
        self.broker.open(cast("Any", self.client), SessionOpen(node_id="n1"), 1)
        channel, message = self.node.inbox.pop()
        assert message.TYPE == "node.session.open"
        return channel or 0

    def say(self, channel: int, message: ChannelMessage) -> None:
        self.node.channels[channel].message(message)


def test_a_session_works_at_a_node_wherever_it_is(world: World) -> None:
    sessions = Sessions(world)
    client, node, channel = sessions.client, sessions.node, sessions.open()
    sessions.say(channel, NodeSessionOpened(session_id="session"))
    assert [message.TYPE for _, message in client.inbox] == ["session.opened"]
    client.receive(DataOpcode.STDIN, 1, pack_data(DataOpcode.STDIN, 1, b"in"))
    node.receive(DataOpcode.STDOUT, channel, pack_data(DataOpcode.STDOUT, channel, b"out"))
    assert (node.inbox[-1][0], node.inbox[-1][1][10:]) == (channel, b"in")
    assert (client.inbox[-1][0], client.inbox[-1][1][10:]) == (1, b"out")
    sessions.say(channel, ChannelExit(exit_code=3, ts=world.clock.now()))
    sessions.say(channel, ChannelClose(reason=CloseReason.NORMAL))
    assert [message.TYPE for _, message in client.inbox[-2:]] == ["channel.exit", "channel.close"]
    assert (len(world.router), client.channels, node.channels) == (0, {}, {})


def test_a_client_that_leaves_ends_its_session_at_a_node_wherever_it_is(world: World) -> None:
    sessions = Sessions(world)
    channel = sessions.open()
    sessions.say(channel, NodeSessionOpened(session_id="session"))
    sessions.broker.client_gone(cast("Any", sessions.client))
    assert sessions.node.inbox[-1] == (channel, ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED))
    assert (len(world.router), sessions.node.channels) == (0, {})


def test_a_node_that_is_gone_ends_its_sessions_wherever_it_was(world: World) -> None:
    sessions = Sessions(world)
    found = world.directory.find("n1")
    assert found is not None
    sessions.say(sessions.open(), NodeSessionOpened(session_id="session"))
    sessions.node.vanish()
    sessions.broker.node_gone(found.peer)
    assert [message.TYPE for _, message in sessions.client.inbox[-1:]] == ["channel.close"]
    assert (len(world.router), sessions.node.channels) == (0, {})


def test_who_has_no_right_opens_nothing_at_a_node_wherever_it_is(world: World) -> None:
    sessions = Sessions(world)
    eve = FakePeer("eve-1", "nothing")
    sessions.broker.open(cast("Any", eve), SessionOpen(node_id="n1"), 1)
    assert [message.TYPE for _, message in eve.inbox] == ["session.rejected"]
    assert sessions.node.inbox == []

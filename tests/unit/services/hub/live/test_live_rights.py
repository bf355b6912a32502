"""What a subscriber is told of its own rights, and that it is told anew when they change."""

from collections.abc import Iterator

import pytest
from support.memory_hub import MemoryHub, MemoryPeer, memory_hub
from support.rights import RIGHTS, config_of, grant
from support.stack import Certificates

from omnyshell.ids import PrincipalId
from omnyshell.model.live import LiveNode, OwnRights
from omnyshell.model.principals import Principal
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import EVENTS, OF_LIVE_FEED
from omnyshell.protocol.messages.admin.nodes import NodeRelease
from omnyshell.protocol.messages.events import EventsDelta, EventsSnapshot, EventsSubscribe, EventsUpdate
from omnyshell.services.hub.live.viewer import Viewer

LISTED = {"allow-roles": "developer,ops"}


@pytest.fixture
def hub(certificates: Certificates) -> Iterator[MemoryHub]:
    """A hub with somebody who may only run commands, and watch what others do."""
    few = grant(principals=["few"], rights=["exec", "watch", "others"])
    config = config_of(certificates, [few], "few:few-token:intern", "dev:dev-token:developer")
    with memory_hub(certificates, authenticator=config.authenticator, grants=config.grants) as made:
        yield made


def follows(hub: MemoryHub, who: str, features: frozenset[str] = OF_LIVE_FEED) -> MemoryPeer:
    peer = hub.logs_in(who, features=features)
    peer.says(EventsSubscribe(subscription_id="s", parts=("nodes",)))
    hub.passes(0.2)
    return peer


def updates(hub: MemoryHub, peer: MemoryPeer) -> list[EventsUpdate]:
    hub.passes(0.2)
    return [*peer.heard(EventsSnapshot), *peer.heard(EventsDelta)]


def node_of(hub: MemoryHub, peer: MemoryPeer) -> LiveNode:
    return [node for update in updates(hub, peer) for node in update.nodes][-1]


def told_own(hub: MemoryHub, peer: MemoryPeer) -> list[OwnRights]:
    return [update.own for update in updates(hub, peer) if update.own is not None]


@pytest.mark.parametrize(
    ("who", "lacks"),
    [
        ("admin", set()),
        ("dev", {"expose", "others"}),
        ("few", {"shell", "ssh", "files", "agent", "kill", "forward", "expose"}),
    ],
)
def test_each_node_says_what_the_subscriber_lacks_there(hub: MemoryHub, who: str, lacks: set[str]) -> None:
    hub.registers(labels=LISTED)
    denied = node_of(hub, follows(hub, who)).denied
    assert {one.right for one in denied} == lacks
    assert all(one.why and not one.allowed for one in denied)
    shell = next((one for one in denied if one.right == "shell"), None)
    assert shell is None or shell.needed == ("developer", "ops")


def test_a_subscriber_is_told_its_roles_and_what_it_may_do_at_home(hub: MemoryHub) -> None:
    (own,) = told_own(hub, follows(hub, "dev"))
    assert (own.principal, own.roles) == ("dev", ("developer",))
    assert [(one.right, one.needed) for one in own.denied] == [("expose", ("admin",))]
    (of_admin,) = told_own(hub, follows(hub, "admin"))
    assert (of_admin.roles, of_admin.denied) == (("admin",), ())


def test_who_did_not_announce_it_is_told_nothing(hub: MemoryHub) -> None:
    hub.registers(labels=LISTED)
    old = follows(hub, "dev", frozenset({EVENTS}))
    assert not node_of(hub, old).denied
    assert not told_own(hub, old)


def test_a_lock_and_its_end_and_labels_are_followed(hub: MemoryHub) -> None:
    hub.registers(labels=LISTED)
    dev, admin = follows(hub, "dev"), follows(hub, "admin")
    boss = hub.logs_in("admin")
    boss.asks(m.admin.LockAdd, kind="node", name="n1")
    assert {one.right for one in node_of(hub, admin).denied} == set(RIGHTS)
    assert node_of(hub, dev).gone, "who may do nothing there any more does not know of it"
    boss.asks(m.admin.LockRemove, kind="node", name="n1")
    assert node_of(hub, admin).denied == ()
    assert {one.right for one in node_of(hub, dev).denied} == {"expose", "others"}
    few = follows(hub, "few")
    boss.asks(m.admin.NodeLabelsSet, node_id="n1", labels={"allow-roles": "ops"})
    shell = next(one for one in node_of(hub, few).denied if one.right == "shell")
    assert shell.needed == ("ops",)


def test_grants_that_are_read_anew_are_followed_and_what_is_the_same_is_not_told_again(hub: MemoryHub) -> None:
    hub.registers(labels=LISTED)
    dev, admin = follows(hub, "dev"), follows(hub, "admin")
    services = hub.hub._services
    before = len(updates(hub, admin))
    changed = (
        grant(roles=["developer"], nodes=["@local"], rights=["expose"]),
        grant(roles=["developer"], rights=["others"]),
        grant(principals=["*"], rights=["shell"], deny=True),
    )
    object.__setattr__(hub.hub.config, "grants", changed)
    services._policy.follow(hub.hub.config)
    services._eviction.enforce()
    assert [bool(own.denied) for own in told_own(hub, dev)] == [True, False]
    assert {one.right for one in node_of(hub, dev).denied} == {"shell", "expose"}
    assert len(told_own(hub, admin)) == 1, "an admin's own rights are the same"
    assert {one.right for one in node_of(hub, admin).denied} == {"shell"}
    assert len(updates(hub, admin)) == before + 1


@pytest.mark.parametrize(
    ("labels", "is_released", "sees"),
    [
        (LISTED, False, True),
        ({"allow-roles": "ops"}, False, False),
        # All that is not remembered, and an id that is nobody's any more, is for admins alone.
        (LISTED | {"note": "x" * 4_000}, False, False),
        (LISTED, True, False),
    ],
)
def test_one_s_own_sessions_on_a_node_that_is_away_are_judged_by_what_it_was(
    hub: MemoryHub, labels: dict[str, str], *, is_released: bool, sees: bool
) -> None:
    node = hub.registers(labels=labels)
    services = hub.hub._services
    viewer = Viewer.of(
        Principal(PrincipalId("dev"), frozenset({"developer"})),
        OF_LIVE_FEED,
        services._policy,
        services._nodes.find,
        services._inventory.judged,
    )
    assert viewer.sees_session("dev", "n1") is ("ops" not in labels.values())
    node.leaves()
    hub.passes(0.2)
    if is_released:
        hub.logs_in("admin").asks(NodeRelease, node_id="n1")
    assert viewer.sees_session("dev", "n1") is sees
    assert not viewer.sees_session("bob", "n1")
    assert not viewer.knows("n1")

"""Tunnels without a port that is bound: who gets which, why not, and when they end."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.memory_hub import MemoryHub, MemoryPeer, memory_hub
from support.stack import OPEN_TUNNELS, Certificates

from omnyshell import PortRange
from omnyshell.hosts import dialled_host
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages.admin import AllTunnelsRequest, LockAdd, NodeLabelsSet, TunnelEnd
from omnyshell.services.hub.ground.limits import Allowance, Resource
from omnyshell.services.hub.tunnels.public_ports import PublicPorts

FOR_DEVELOPERS = {"allow-roles": "developer"}
PORTS = PortRange(20_000, 20_003)


class Ports:
    """What is bound, and what cannot be."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.taken: set[int] = set()
        self.asked: list[int] = []
        patch.setattr(PublicPorts, "resolve", self._resolve)
        patch.setattr(PublicPorts, "bind", self._bind)

    async def _resolve(self, _hosts: object) -> None:
        """There is nothing to find."""

    def _bind(self, port: int) -> list[Any]:
        self.asked.append(port)
        if port in self.taken:
            raise OSError(98, "the port is in use")
        return []


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Ports:
    return Ports(monkeypatch)


@pytest.fixture
def hub(certificates: Certificates, ports: Ports) -> Iterator[MemoryHub]:
    with memory_hub(certificates, tunnel_ports=PORTS, **OPEN_TUNNELS) as made:
        yield made


def opening(peer: MemoryPeer, **fields: Any) -> m.TunnelOpened | m.TunnelRejected:
    peer.says(m.TunnelOpenRequest(**{"request_id": "t", "node_id": "n1", "target_port": 80, **fields}))
    answers = [*peer.heard(m.TunnelOpened), *peer.heard(m.TunnelRejected)]
    peer.inbox.clear()
    (answer,) = answers
    return answer


def listed(peer: MemoryPeer) -> list[int]:
    peer.says(m.TunnelListRequest(request_id="l"))
    return [info.public_port for info in peer.hears(m.TunnelListResponse).tunnels]


def test_each_tunnel_gets_a_port_that_is_free(hub: MemoryHub, ports: Ports) -> None:
    hub.registers(labels=FOR_DEVELOPERS)
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    ports.taken = {20_001}
    asked = opening(admin, public_port=20_003)
    given = [opening(dev) for _ in range(2)]
    assert isinstance(asked, m.TunnelOpened)
    assert asked.public_port == 20_003
    assert {opened.public_port for opened in given if isinstance(opened, m.TunnelOpened)} == {20_000, 20_002}
    assert isinstance(opening(dev, public_port=20_003), m.TunnelRejected)
    assert listed(dev) == [20_000, 20_002]
    assert [info.public_port for info in admin.asks(AllTunnelsRequest).tunnels] == [20_000, 20_002, 20_003]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"node_id": "n9"}, "node_offline"),
        ({"target_host": "a b"}, "bad_request"),
        ({"target_port": 0}, "bad_request"),
        ({"target_port": 65_536}, "bad_request"),
        ({"protocol": "gopher"}, "unsupported_protocol"),
        ({"public_port": 22}, None),
        ({"node_id": "secret"}, "not_authorized"),
        ({"node_id": "plain"}, "unsupported"),
    ],
)
def test_what_cannot_be_opened_is_refused_and_binds_nothing(
    hub: MemoryHub, ports: Ports, fields: dict[str, Any], code: str | None
) -> None:
    hub.registers(labels=FOR_DEVELOPERS)
    hub.registers("secret", labels={"allow-roles": "ops"})
    plain = hub.registers("plain", labels=FOR_DEVELOPERS)
    plain.says(m.NodeCapabilitiesMessage(features=("exec",), shells=(), max_sessions=1))
    dev = hub.logs_in("dev")
    refused = opening(dev, **fields)
    assert isinstance(refused, m.TunnelRejected)
    assert code in (None, refused.reason)
    assert (ports.asked, listed(dev)) == ([], [])
    assert hub.hub.metrics.tunnels_rejected == 1


def test_without_a_right_nobody_opens_one(certificates: Certificates, ports: Ports) -> None:
    with memory_hub(certificates, tunnel_ports=PORTS) as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        assert opening(hub.logs_in("dev")).reason == "not_authorized"
        assert opening(hub.logs_in("dev"), node_id="@local").reason == "not_authorized"
        assert isinstance(opening(hub.logs_in("admin")), m.TunnelOpened)


def test_a_hub_without_a_range_has_no_tunnels(certificates: Certificates) -> None:
    with memory_hub(certificates, **OPEN_TUNNELS) as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        assert isinstance(opening(hub.logs_in("dev")), m.TunnelRejected)


def test_when_all_ports_are_taken_the_next_is_refused_until_one_is_closed(hub: MemoryHub) -> None:
    hub.registers(labels=FOR_DEVELOPERS)
    admin = hub.logs_in("admin")
    tunnels = [opening(admin) for _ in range(4)]
    assert isinstance(opening(admin), m.TunnelRejected)
    first = tunnels[0]
    assert isinstance(first, m.TunnelOpened)
    admin.says(m.TunnelCloseRequest(request_id="c", tunnel_ref=first.tunnel_id))
    assert admin.hears(m.TunnelCloseResponse).ok
    assert len(listed(admin)) == 3
    admin.says(m.TunnelCloseRequest(request_id="c", tunnel_ref=first.tunnel_id))
    assert not admin.hears(m.TunnelCloseResponse).ok


def test_a_principal_has_so_many_tunnels(certificates: Certificates, ports: Ports) -> None:
    quotas = (Allowance({Resource.TUNNELS: 1}, frozenset({"dev"})),)
    with memory_hub(certificates, tunnel_ports=PORTS, quotas=quotas, **OPEN_TUNNELS) as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        dev = hub.logs_in("dev")
        assert isinstance(opening(dev), m.TunnelOpened)
        refused = opening(hub.logs_in("dev"))
        assert (refused.reason, "tunnels" in refused.message) == ("capacity_exceeded", True)
        assert isinstance(opening(hub.logs_in("admin")), m.TunnelOpened)


def test_nobody_closes_the_tunnel_of_somebody_else_but_an_admin(hub: MemoryHub) -> None:
    hub.registers(labels=FOR_DEVELOPERS)
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    theirs = opening(admin)
    assert isinstance(theirs, m.TunnelOpened)
    dev.says(m.TunnelCloseRequest(request_id="c", tunnel_ref=theirs.tunnel_id))
    assert not dev.hears(m.TunnelCloseResponse).ok
    mine = opening(dev)
    assert isinstance(mine, m.TunnelOpened)
    assert admin.asks(TunnelEnd, tunnel_ref=mine.tunnel_id[:12]).ok
    assert listed(dev) == []
    assert listed(admin) == [theirs.public_port]


WAYS: dict[str, Any] = {
    "its node leaves": lambda _hub, _admin, node: node.vanishes(),
    "its node is locked": lambda hub, admin, _node: (admin.asks(LockAdd, kind="node", name="n1"), hub.passes(2)),
    "its owner is locked": lambda _hub, admin, _node: admin.asks(LockAdd, kind="principal", name="dev"),
    "its owner may not any more": lambda _hub, admin, _node: admin.asks(
        NodeLabelsSet, node_id="n1", labels={"allow-roles": "ops"}
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_tunnel_ends_with_what_it_needs(hub: MemoryHub, way: str) -> None:
    node, admin, dev = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("admin"), hub.logs_in("dev")
    assert isinstance(opening(dev), m.TunnelOpened)
    theirs = opening(admin, node_id="@local")
    assert isinstance(theirs, m.TunnelOpened)
    WAYS[way](hub, admin, node)
    assert [info.public_port for info in admin.asks(AllTunnelsRequest).tunnels] == [theirs.public_port]
    assert len(hub.hub.tunnels) == 1


def test_one_that_a_client_serves_ends_with_its_connection(hub: MemoryHub) -> None:
    dev = hub.logs_in("dev")
    assert isinstance(opening(dev, node_id="@local"), m.TunnelOpened)
    dev.leaves()
    assert len(hub.hub.tunnels) == 0
    assert hub.audited("tunnel.*")[-1].action == "tunnel.close"


@pytest.mark.parametrize("host", ["LOCALHOST", "localhost.", "[::1]", "::ffff:127.0.0.1", "127.1", "DB.lan."])
def test_a_target_is_named_to_its_node_as_it_is_dialled(hub: MemoryHub, host: str) -> None:
    hub.registers()
    admin = hub.logs_in("admin")
    opening(admin, target_host=host)
    (info,) = admin.asks(AllTunnelsRequest).tunnels
    assert info.target_host == dialled_host(host)


def test_a_client_finds_its_own_target_as_it_named_it(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    opening(admin, node_id="@local", target_host="LOCALHOST")
    (info,) = admin.asks(AllTunnelsRequest).tunnels
    assert info.target_host == "LOCALHOST"

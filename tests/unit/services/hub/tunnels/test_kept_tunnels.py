"""Tunnels that come back with the hub, and with their nodes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.memory_hub import MemoryHub, MemoryPeer, memory_hub
from support.stack import OPEN_TUNNELS, Certificates

from omnyshell import PortRange
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages.admin import AllTunnelsRequest, LockAdd, LockRemove, NodeLabelsSet, NodeRelease
from omnyshell.security.authenticators import TokenAuthenticator, TokenGrant
from omnyshell.services.hub import hub as hub_module
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.tunnels.public_ports import PublicPorts

FOR_DEVELOPERS = {"allow-roles": "developer"}
PORTS = PortRange(20_000, 20_003)

Hubs = Callable[..., Any]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Ports that cannot be bound; nothing else is bound either."""
    found: set[int] = set()

    async def resolve(_ports: PublicPorts, _hosts: object) -> None:
        """There is nothing to find."""

    def bind(_ports: PublicPorts, port: int) -> list[Any]:
        if port in found:
            raise OSError(98, "the port is in use")
        return []

    monkeypatch.setattr(PublicPorts, "resolve", resolve)
    monkeypatch.setattr(PublicPorts, "bind", bind)
    return found


@pytest.fixture
def hubs(
    certificates: Certificates,
    tmp_path: Path,
    taken: set[int],
    monkeypatch: pytest.MonkeyPatch,
) -> Hubs:
    """Each call is a hub that has started, on the same state directory, without an audit trail on disk."""

    async def no_trail(*_: object) -> None:
        """Its thread would wait for real time."""

    monkeypatch.setattr(hub_module, "open_trail", no_trail)

    @contextmanager
    def started(**changes: Any) -> Iterator[MemoryHub]:
        settings = {"tunnel_ports": PORTS, "state_dir": tmp_path, **OPEN_TUNNELS} | changes
        with memory_hub(certificates, **settings) as hub:
            yield hub

    return started


def opened(peer: MemoryPeer, **fields: Any) -> m.TunnelOpened | m.TunnelRejected:
    asked = {"request_id": "t", "node_id": "n1", "target_port": 80, "persist": True, **fields}
    peer.says(m.TunnelOpenRequest(**asked))
    (answer,) = [*peer.heard(m.TunnelOpened), *peer.heard(m.TunnelRejected)]
    peer.inbox.clear()
    return answer


def tunnels(peer: MemoryPeer) -> list[TunnelInfo]:
    peer.says(m.TunnelListRequest(request_id="l"))
    return list(peer.hears(m.TunnelListResponse).tunnels)


def states(peer: MemoryPeer) -> list[tuple[int, bool, bool]]:
    return [(info.public_port, info.persist, info.waiting) for info in tunnels(peer)]


def test_it_is_there_again_with_its_id_and_port_and_waits_for_its_node(hubs: Hubs) -> None:
    with hubs() as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        dev = hub.logs_in("dev")
        passing, kept = opened(dev, persist=False), opened(dev, protocol="http", target_port=8080)
        assert isinstance(kept, m.TunnelOpened)
        assert isinstance(passing, m.TunnelOpened)
        assert states(dev) == [(20_000, False, False), (20_001, True, False)]
        (_, before) = tunnels(dev)
    with hubs() as hub:
        dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
        (after,) = tunnels(dev)
        assert after.waiting
        assert (after.tunnel_id, after.target_port, after.protocol, after.created_at) == (
            before.tunnel_id,
            8080,
            "http",
            before.created_at,
        )
        # Nobody else gets its port meanwhile, and admins see it.
        assert opened(admin, node_id="@local", persist=False).public_port == 20_000
        assert [info.waiting for info in admin.asks(AllTunnelsRequest).tunnels] == [False, True]
        assert [(one.outcome, one.detail.split()[-1]) for one in hub.audited("tunnel.open")][:1] == [("ok", "kept")]
        hub.registers(labels=FOR_DEVELOPERS)
        assert states(dev) == [(20_001, True, False)]


def test_it_waits_while_its_node_is_away_and_others_end(hubs: Hubs) -> None:
    with hubs() as hub:
        node, dev = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("dev")
        opened(dev)
        opened(dev, persist=False)
        node.vanishes()
        assert states(dev) == [(20_000, True, True)]
        hub.registers(labels=FOR_DEVELOPERS)
        assert states(dev) == [(20_000, True, False)]
        # A new connection of the node before the end of the old one is noticed.
        second = hub.registers(labels=FOR_DEVELOPERS)
        assert states(dev) == [(20_000, True, False)]
        second.says(m.NodeRegister(node_id="n2", platform=hub.platform, labels=FOR_DEVELOPERS))
        assert states(dev) == [(20_000, True, True)]


def test_what_is_closed_does_not_come_back(hubs: Hubs) -> None:
    with hubs() as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        opened(hub.logs_in("dev"))
        opened(hub.logs_in("dev"))
    with hubs() as hub:
        dev = hub.logs_in("dev")
        for found in tunnels(dev):
            dev.says(m.TunnelCloseRequest(request_id="c", tunnel_ref=found.tunnel_id[:12]))
            assert dev.hears(m.TunnelCloseResponse).ok
    with hubs() as hub:
        assert tunnels(hub.logs_in("dev")) == []


ENDS: dict[str, Callable[[MemoryPeer], Any]] = {
    "its owner is locked": lambda admin: admin.asks(LockAdd, kind="principal", name="dev"),
    "its node is locked": lambda admin: admin.asks(LockAdd, kind="node", name="n1"),
    "the id of its node is released": lambda admin: admin.asks(NodeRelease, node_id="n1"),
    "its owner may not any more": lambda admin: admin.asks(NodeLabelsSet, node_id="n1", labels={"allow-roles": "ops"}),
}


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("way", ENDS)
def test_it_ends_for_good_whether_its_node_is_there_or_not(hubs: Hubs, way: str, *, is_there: bool) -> None:
    with hubs() as hub:
        node, dev, admin = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("dev"), hub.logs_in("admin")
        opened(dev)
        if not is_there or way.startswith("the id"):
            # An id is released once nobody has it.
            node.vanishes()
        ENDS[way](admin)
        hub.passes(2)
        for kind, name in (("principal", "dev"), ("node", "n1")):
            admin.asks(LockRemove, kind=kind, name=name)
        hub.registers(labels=FOR_DEVELOPERS)
        assert len(hub.hub.tunnels) == 0
    with hubs() as hub:
        assert len(hub.hub.tunnels) == 0


def test_it_ends_with_the_credential_that_opened_it(hubs: Hubs) -> None:
    """It is judged as the hub starts, by the login that opened it, and not by another one of its owner."""
    with hubs() as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        opened(hub.logs_in("dev"))
    other = TokenAuthenticator([TokenGrant.parse("dev:other-token:developer"), TokenGrant.parse("box:box-token:node")])
    with hubs(authenticator=other) as hub:
        assert len(hub.hub.tunnels) == 0
    with hubs() as hub:
        assert len(hub.hub.tunnels) == 0


def test_a_port_that_cannot_be_had_is_waited_for(hubs: Hubs, taken: set[int]) -> None:
    with hubs() as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        opened(hub.logs_in("dev"))
    for changes in ({"tunnel_ports": None}, {"tunnel_ports": PortRange(20_002, 20_003)}, {}):
        if not changes:
            taken.add(20_000)
        with hubs(**changes) as hub:
            node, dev = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("dev")
            assert states(dev) == [(20_000, True, True)], changes
            if not changes:
                taken.clear()
                node.vanishes()
                hub.registers(labels=FOR_DEVELOPERS)
                assert states(dev) == [(20_000, True, False)]


@pytest.mark.parametrize(
    ("changes", "fields", "code"),
    [({"state_dir": None}, {}, "unsupported"), ({}, {"node_id": "@local"}, "bad_request")],
)
def test_what_cannot_be_kept_is_refused(hubs: Hubs, changes: dict[str, Any], fields: dict[str, Any], code: str) -> None:
    with hubs(**changes) as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        refused = opened(hub.logs_in("dev"), **fields)
        assert isinstance(refused, m.TunnelRejected)
        assert refused.reason == code
        assert len(hub.hub.tunnels) == 0


COLUMNS = {
    "target_host": "example.org",
    "target_port": 22,
    "public_port": 20_003,
    "node_id": "n2",
    "principal": "admin",
    "tunnel_id": "another",
    "evidence": b"x",
    "protocol": "gopher",
    "created_at": "never",
    "roles": "{}",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_row_that_somebody_has_changed_opens_nothing(hubs: Hubs, tmp_path: Path, column: str) -> None:
    with hubs() as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        opened(hub.logs_in("dev"))
    with sqlite3.connect(tmp_path / STATE_FILE) as database:
        database.execute(f"UPDATE kept_tunnels SET {column} = ?", [COLUMNS[column]])
    database.close()
    with hubs() as hub:
        hub.registers(labels=FOR_DEVELOPERS)
        assert len(hub.hub.tunnels) == 0

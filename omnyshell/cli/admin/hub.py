"""`omnyshell hub info`, `peers`, `sessions`, `drop` and `close-tunnel`, and `nodes known`, `label` and `release`."""

import argparse

from omnyshell.cli.admin.question import ask, do, moment, show
from omnyshell.cli.ground.output import complain, count_of, say, say_json
from omnyshell.ids import short_id
from omnyshell.options.values import parse_pairs
from omnyshell.protocol.messages.admin import (
    AuditAcknowledge,
    HubInfoRequest,
    HubInfoResponse,
    LiveSessionsRequest,
    LiveSessionsResponse,
    NodeLabelsSet,
    NodeRecordsRequest,
    NodeRecordsResponse,
    NodeRelease,
    PeerDrop,
    PeersRequest,
    PeersResponse,
    TunnelEnd,
)
from omnyshell.security.authorizer import ALLOW_ROLES_LABEL


def info(options: argparse.Namespace) -> int:
    """Print what the hub is, and how much goes through it."""
    found = ask(options, HubInfoRequest(request_id=""), HubInfoResponse)
    if options.json:
        say_json({**found.to_wire(), "requestId": None})
        return 0
    say(f"hub         {found.hub_uid}")
    say(f"version     {found.version}, up since {moment(found.started_at)} UTC")
    carried = (("node", found.nodes), ("session", found.sessions), ("tunnel", found.tunnels), ("peer", found.peers))
    say(f"carries     {', '.join(count_of(number, what) for what, number in carried)}")
    say(f"authority   {found.ca_fingerprint}")
    return 0


def peers(options: argparse.Namespace) -> int:
    """Print the connections that have logged in."""
    found = ask(options, PeersRequest(request_id=""), PeersResponse).peers
    rows = [
        (one.peer_id, one.role, one.principal, one.node_id or "-", one.address, moment(one.connected_at))
        for one in found
    ]
    return show(options, found, ("PEER", "ROLE", "PRINCIPAL", "NODE", "ADDRESS", "SINCE (UTC)"), rows, "nobody")


def sessions(options: argparse.Namespace) -> int:
    """Print the sessions of all principals."""
    found = ask(options, LiveSessionsRequest(request_id=""), LiveSessionsResponse).sessions
    rows = [
        (
            short_id(one.session_id),
            one.node_id,
            one.principal,
            one.mode,
            one.state,
            one.address,
            moment(one.created_at),
            str(one.bytes_in),
            str(one.bytes_out),
        )
        for one in found
    ]
    header = ("SESSION", "NODE", "PRINCIPAL", "MODE", "STATE", "ADDRESS", "SINCE (UTC)", "IN", "OUT")
    return show(options, found, header, rows, "no sessions")


def drop(options: argparse.Namespace) -> int:
    """End a connection."""
    return do(options, PeerDrop(request_id="", peer_id=options.peer), f"dropped {options.peer}")


def close_tunnel(options: argparse.Namespace) -> int:
    """Close any tunnel."""
    return do(options, TunnelEnd(request_id="", tunnel_ref=options.tunnel), f"closed tunnel {options.tunnel}")


def acknowledge_audit(options: argparse.Namespace) -> int:
    """Acknowledge the gaps in the audit trail."""
    return do(options, AuditAcknowledge(request_id=""), "acknowledged; `omnyshell audit verify` goes on naming it")


def known_nodes(options: argparse.Namespace) -> int:
    """Print the node ids that the hub knows, connected or not."""
    found = ask(options, NodeRecordsRequest(request_id=""), NodeRecordsResponse).nodes
    rows = [
        (
            one.node_id,
            "locked" if one.locked else "online" if one.online else "offline",
            one.principal or "-",
            ",".join(f"{key}={value}" for key, value in sorted(one.hub_labels.items())) or "-",
        )
        for one in found
    ]
    return show(options, found, ("NODE", "STATE", "OWNER", "LABELS OF THE HUB"), rows, "no node ids are known")


def label(options: argparse.Namespace) -> int:
    """Set the hub's labels of a node."""
    labels = parse_pairs(options.label, "--label")
    said = f"{options.node} has {count_of(len(labels), 'label')} of the hub" if labels else f"{options.node} has none"
    done = do(options, NodeLabelsSet(request_id="", node_id=options.node, labels=labels), said)
    if ALLOW_ROLES_LABEL in labels:
        complain(
            f"the hub's {ALLOW_ROLES_LABEL} only narrows the node's own: `omnyshell access PRINCIPAL NODE` says who may"
        )
    return done


def release(options: argparse.Namespace) -> int:
    """Release a node id."""
    said = f"the id {options.node} is free for whoever registers it next"
    return do(options, NodeRelease(request_id="", node_id=options.node), said)

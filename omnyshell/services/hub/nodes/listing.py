"""Listings of nodes, kept short enough for clients to accept, whatever nodes say of themselves."""

from collections.abc import Collection, Sequence

from omnyshell.model.nodes import SERVICES, TUNNEL_SERVICE, NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.protocol.extensions import INTERACTIVE
from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import NodeListResponse
from omnyshell.services.hub.nodes.directory import ReachableNode

LARGEST = MAX_MESSAGE_FROM_HUB // 2
"""Bytes of a listing. A client accepts twice as many, as only the nodes' own texts are counted exactly."""

SHORT_SIZE = 1024
"""Bytes of a shortened node, at most."""

KNOWN_FEATURES = frozenset({*SERVICES, TUNNEL_SERVICE, INTERACTIVE})
"""Features on which clients rely; shortened nodes keep them too, in a hundred bytes at most."""

_LONGEST_TEXT = 64


def list_response(
    nodes: Sequence[ReachableNode], asked: Collection[str] = (), largest: int = LARGEST
) -> NodeListResponse:
    """Describe nodes in about `largest` bytes at most.

    If they need more, nodes with more than their share are shortened to the fields needed to reach them, the labels in
    `asked` and `KNOWN_FEATURES`; if that is not enough, the last nodes are left out.
    """
    if sum(node.size for node in nodes) <= largest:
        return NodeListResponse(nodes=tuple(node.describe() for node in nodes))
    share = max(SHORT_SIZE, largest // len(nodes))
    shown, room = [], largest
    for node in nodes:
        room -= min(node.size, share)
        if room < 0:
            break
        shown.append(node)
    return NodeListResponse(
        nodes=tuple(node.describe() if node.size <= share else _shortened(node, asked) for node in shown),
        shortened=sum(node.size > share for node in shown),
        left_out=len(nodes) - len(shown),
    )


def _shortened(node: ReachableNode, asked: Collection[str]) -> NodeDescriptor:
    platform = node.platform
    return NodeDescriptor(
        node_id=node.node_id,
        platform=PlatformInfo(os=platform.os[:_LONGEST_TEXT], arch=platform.arch[:_LONGEST_TEXT]),
        labels={name: node.labels[name] for name in asked if name in node.labels},
        online=True,
        capabilities=_known(node.capabilities) if node.capabilities is not None else None,
    )


def _known(said: NodeCapabilities) -> NodeCapabilities:
    features = tuple(sorted(KNOWN_FEATURES.intersection(said.features)))
    return NodeCapabilities(features=features, max_sessions=said.max_sessions)

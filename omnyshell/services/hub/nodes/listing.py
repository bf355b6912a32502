"""The list of nodes, which stays short enough to be taken, whatever nodes say of themselves."""

from collections.abc import Collection, Sequence

from omnyshell.model.nodes import SERVICES, TUNNEL_SERVICE, NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.protocol.extensions import INTERACTIVE
from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import NodeListResponse
from omnyshell.services.hub.nodes.directory import ReachableNode

LARGEST = MAX_MESSAGE_FROM_HUB // 2
"""Bytes of a listing: a client takes twice as many, and what surrounds what nodes said is not counted exactly."""

SHORT_SIZE = 1024
"""Bytes of a shortened node, at most."""

KNOWN_FEATURES = frozenset({*SERVICES, TUNNEL_SERVICE, INTERACTIVE})
"""What clients decide by is told of shortened nodes too: that takes a hundred bytes at most."""

_LONGEST_TEXT = 64


def list_response(
    nodes: Sequence[ReachableNode], asked: Collection[str] = (), largest: int = LARGEST
) -> NodeListResponse:
    """Describe nodes in about `largest` bytes at most.

    Where they say more, those that say more than their share are shortened, to what they are reached by, the labels
    `asked` for and `KNOWN_FEATURES`, and the last left out if that is not enough.
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

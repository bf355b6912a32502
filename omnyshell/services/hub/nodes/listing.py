"""Listings of nodes, made in steps, and kept short enough for clients to accept, whatever nodes say of themselves."""

from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import dataclass
from heapq import merge
from typing import cast

import msgspec

from omnyshell.model.nodes import SERVICES, TUNNEL_SERVICE, NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.protocol.extensions import INTERACTIVE
from omnyshell.protocol.limits import KIB, MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import NodeListResponse
from omnyshell.services.hub.nodes.directory import ReachableNode

LARGEST = MAX_MESSAGE_FROM_HUB // 2
"""Bytes of a listing. A client accepts twice as many, as only the nodes' own texts are counted exactly."""

SHORT_SIZE = 1024
"""Bytes of a shortened node, at most."""

STEP, EACH = 64 * KIB, 512
"""Bytes of nodes' own texts after which a step ends, and how many each node counts as besides: a step takes about as
long as any other work beside the relay, which is 4 ms."""

KNOWN_FEATURES = frozenset({*SERVICES, TUNNEL_SERVICE, INTERACTIVE})
"""Features on which clients rely; shortened nodes keep them too, in a hundred bytes at most."""

_LONGEST_TEXT = 64

Steps = Generator[None, None, NodeListResponse]
"""Makes an answer: each `next` is a step, and the last one returns it."""


class WrittenNode(msgspec.Struct, frozen=True, gc=False):
    """A node of an answer that is written already: it stands where `NodeDescriptor` does.

    Of very many none is looked at by the collector of garbage, which would hold all else up.
    """

    raw: msgspec.Raw

    def to_wire(self) -> msgspec.Raw:
        """Return it as it goes into JSON."""
        return self.raw


class _Budget:
    """What is left of a step."""

    def __init__(self) -> None:
        self._left = STEP

    def is_spent(self, size: int) -> bool:
        """Count a node whose texts have so many bytes; return whether the step is over, and another one begins."""
        self._left -= EACH + size
        if self._left > 0:
            return False
        self._left = STEP
        return True


def steps_of_list(
    ids: Iterable[str],
    find: Callable[[str], ReachableNode | None],
    is_wanted: Callable[[ReachableNode], bool],
    *,
    asked: Collection[str] = (),
    hub_of: Callable[[str], str] | None = None,
    largest: int = LARGEST,
) -> Steps:
    """Describe those of the nodes that are wanted, sorted by id, in about `largest` bytes at most.

    If they need more, nodes with more than their share are shortened to the fields needed to reach them, the labels in
    `asked` and `KNOWN_FEATURES`; if that is not enough, the last nodes are left out. `hub_of` returns which hub has a
    node, where that is to be said.
    """
    budget = _Budget()
    found = yield from _found(ids, find, is_wanted, budget)
    share = largest if found.size <= largest else max(SHORT_SIZE, largest // found.count)
    told: list[WrittenNode] = []
    shortened, room = 0, largest
    for node in merge(*found.runs, key=_id_of):
        room -= min(node.size, share)
        if room < 0:
            break
        is_short = node.size > share
        shortened += is_short
        described = _shortened(node, asked) if is_short else node.describe()
        if hub_of is not None:
            described.hub = hub_of(node.node_id)
        told.append(WrittenNode(msgspec.Raw(msgspec.json.encode(described.to_wire()))))
        if budget.is_spent(node.size):
            yield
    nodes = cast("tuple[NodeDescriptor, ...]", tuple(told))
    return NodeListResponse(nodes=nodes, shortened=shortened, left_out=found.count - len(told))


@dataclass(frozen=True, slots=True)
class _Found:
    """The nodes that are wanted."""

    runs: list[list[ReachableNode]]
    """Each sorted by id; what is sorted whole takes long at a time."""

    count: int
    size: int
    """Bytes of all their texts."""


def _found(
    ids: Iterable[str],
    find: Callable[[str], ReachableNode | None],
    is_wanted: Callable[[ReachableNode], bool],
    budget: _Budget,
) -> Generator[None, None, _Found]:
    runs: list[list[ReachableNode]] = [[]]
    count = size = 0
    for node_id in ids:
        node = find(node_id)
        if node is not None and is_wanted(node):
            runs[-1].append(node)
            count += 1
            size += node.size
        if budget.is_spent(node.size if node is not None else 0):
            runs[-1].sort(key=_id_of)
            runs.append([])
            yield
    runs[-1].sort(key=_id_of)
    return _Found(runs, count, size)


def _id_of(node: ReachableNode) -> str:
    return node.node_id


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

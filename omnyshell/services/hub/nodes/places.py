"""The port by which a hub that is one of several takes node ids (docs/architecture.md#a-registration)."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.model.hubs import OtherHub
from omnyshell.security.place_proof import PlaceProof
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode
from omnyshell.services.hub.truth.answer import Answer


class ElsewhereException(OmnyShellException):
    """Another process has the node id, at another hub."""

    default_code = ErrorCodes.CAPACITY_EXCEEDED


class UnprovenException(OmnyShellException):
    """A node that has to prove by its key where it is, and does not."""

    default_code = ErrorCodes.NOT_AUTHORIZED


NEEDS_PROOF = "nodes have to prove their places here: log in by the file of an enrolled key, with 0.2.0 or newer"
UNPROVEN = "this node proved its places by a key, and now does not: update it, log in by that key's file, or revoke it"


class AskedPlace(NamedTuple):
    """A place that a node is to prove, among the hubs of a generation."""

    generation: str
    hub: str
    epoch: int


Prover = Callable[[AskedPlace], Answer[PlaceProof]]
"""Asks a process to prove that it is at this hub. Fails where it does not, with a `TransportException` if it left."""


class Served(NamedTuple):
    """A node that is connected with this hub."""

    node_id: str
    process: str
    epoch: int
    """By which this hub took it; before that, the newest one that the process has had."""


class Places(Protocol):
    """Who is where among hubs."""

    def claim(
        self, wanted: Served, prover: Prover | None = None, asks: Callable[[], None] = lambda: None
    ) -> Answer[int]:
        """Take a node id for a process that is connected here; the answer is the epoch by which this hub has it.

        That is no older than the one that is `wanted`, up to `MOST_JUMP` ahead.

        `prover` asks that process to prove it; None for one that cannot. `asks` is called, once that is done, right
        before the engine is asked: another process that had the id here has it no more from then on, whatever the
        answer is. Fails with `ElsewhereException`, with `UnprovenException`, or with `EngineAwayException`, within
        seconds.
        """

    def left(self, node_id: str, process: str) -> None:
        """Say that a process is not connected here any more."""

    def others(self) -> tuple[OtherHub, ...]:
        """Return where peers reach the other hubs."""

    def is_any_there(self) -> bool:
        """Whether peers may go to another hub, which was heard of lately."""

    def tell_peers(self, url: str, weight: int) -> None:
        """Say to the other hubs where peers reach this one, "" for unknown, and its weight."""

    def hub_of(self, node_id: str) -> str:
        """Return the id of the hub that has a node, this one if none has."""

    def is_serving(self) -> bool:
        """Whether this hub may open anything now."""

    def why_no_logins(self) -> str:
        """Return why this hub cannot know any more who may still log in; "" if it does."""


class ServedNodes:
    """The nodes of a hub that is one of several: there are none while the hub may not open anything."""

    def __init__(self, nodes: NodeDirectory, is_serving: Callable[[], bool]) -> None:
        self._nodes = nodes
        self._is_serving = is_serving

    def find(self, node_id: str) -> ReachableNode | None:
        """See `NodeDirectory`."""
        return self._nodes.find(node_id) if self._is_serving() else None

    def online(self) -> frozenset[str]:
        """See `NodeDirectory`."""
        return self._nodes.online() if self._is_serving() else frozenset()

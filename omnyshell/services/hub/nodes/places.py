"""The port by which a hub that is one of several takes node ids (docs/architecture.md#a-registration)."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.model.hubs import OtherHub
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode
from omnyshell.services.hub.truth.answer import Answer


class ElsewhereException(OmnyShellException):
    """Another process has the node id, at another hub."""

    default_code = ErrorCodes.CAPACITY_EXCEEDED


class Served(NamedTuple):
    """A node that is connected with this hub."""

    node_id: str
    process: str
    epoch: int
    """By which this hub took it."""


class Places(Protocol):
    """Who is where among hubs."""

    def claim(self, node_id: str, process: str, reported: int) -> Answer[int]:
        """Take a node id for a process that is connected here; the answer is the epoch by which this hub has it.

        That is no older than `reported`, the newest one that the process has had, up to `MOST_JUMP` ahead. Another
        process that had the id here has it no more, whatever the answer is. Fails with `ElsewhereException`, or with
        `EngineAwayException`, within seconds.
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

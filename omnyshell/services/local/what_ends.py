"""What ends, or is cut off, when the hub of this machine ends, and perhaps its node with it."""

from collections.abc import Collection
from dataclasses import dataclass

from omnyshell.model.sessions import SessionState
from omnyshell.services.client.live.state import HubState


@dataclass(frozen=True, slots=True)
class WhatEnds:
    """Counts; `sessions` end with this machine's node, those `cut_off` lose their client until a hub is back."""

    commands: int = 0
    """Commands of whoever leaves, which cannot be detached."""

    copies: int = 0
    """Files that whoever leaves has copied, as transfers that run or wait."""

    sessions: int = 0
    attached: int = 0
    """How many of the sessions somebody is attached to."""

    cut_off: int = 0
    tunnels: int = 0
    nodes: int = 0
    """Other nodes, which wait for a hub."""

    @classmethod
    def with_hub(cls, state: HubState, own_node: str, own: Collection[str] = (), *, and_node: bool) -> "WhatEnds":
        """Count what `state` knows; `own` are keys of sessions that whoever asks detaches in order.

        `and_node` says that the node with the id `own_node` ends too.
        """
        sessions = [one for one in state.sessions.values() if one.state is not SessionState.CLOSED]
        ending = [one for one in sessions if and_node and one.node_id == own_node]
        attached = [one for one in sessions if one.state is not SessionState.DETACHED and one.key not in own]
        return cls(
            sessions=len(ending),
            attached=sum(one in attached for one in ending),
            cut_off=len(attached) - sum(one in attached for one in ending),
            tunnels=len(state.tunnels),
            nodes=sum(node.is_online and node.node_id != own_node for node in state.nodes.values()),
        )

    @property
    def is_nothing(self) -> bool:
        """Whether nobody loses anything; nodes that wait for a hub are no loss."""
        return not (self.commands or self.copies or self.sessions or self.cut_off or self.tunnels)

    def lines(self) -> list[str]:
        """Return a line about each, as the end of it is named to the user."""
        said = []
        if self.commands:
            said.append(f"{_count(self.commands, 'command')} that cannot be detached")
        if self.copies:
            said.append(f"{_count(self.copies, 'copy', 'copies')} of files; the same copy again goes on from there")
        if self.sessions:
            said.append(f"{_count(self.sessions, 'session')} on this machine's node{self._how_many_are_attached()}")
        if self.tunnels:
            said.append(f"{_count(self.tunnels, 'tunnel')}, with the connections through {_them(self.tunnels)}")
        if self.cut_off:
            said.append(f"{_count(self.cut_off, 'attached session')}, cut off until a hub is back")
        if self.nodes:
            said.append(f"{_count(self.nodes, 'other node')}, which {_wait(self.nodes)} for a hub")
        return said

    def _how_many_are_attached(self) -> str:
        if not self.attached:
            return ""
        return ", attached" if self.attached == self.sessions else f", {self.attached} of them attached"


def _count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"

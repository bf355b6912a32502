"""One request to a keeper, for a command line that waits for the answer."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from omnyshell.keeper import wire
from omnyshell.services.node.keeper.place import NoKeeperException, SilentKeeperException, connect, peer_of

PATIENCE = 15.0
"""Seconds for an answer: a keeper needs two to end its sessions, and may be busy on a slow machine."""

_CHUNK = 65536


class KeptNode(NamedTuple):
    """What a keeper holds for a node."""

    node_id: str
    holder: int | None
    """The process that has the descriptors; None where it has ended."""

    running: int
    ended: int


class KeeperFacts(NamedTuple):
    """A keeper's process, and what it holds."""

    pid: int
    nodes: list[KeptNode]
    flaw: str = ""
    """Why sessions are in no control groups of their own, or cannot be limited."""

    limits: str = ""
    """What a session may take; empty for all there is."""

    @property
    def running(self) -> int:
        """How many sessions it holds that have not ended."""
        return sum(node.running for node in self.nodes)


def keeper_facts(state_dir: Path) -> KeeperFacts:
    """Return what the keeper of a state directory holds. Raises `NoKeeperException` where there is none."""
    with _Conversation(state_dir) as keeper:
        facts = keeper.ask(wire.STATUS)
        nodes = [_node(facts[start : start + 4]) for start in range(0, len(facts), 4)]
        return KeeperFacts(keeper.pid, nodes, *keeper.groups)


def stop_keeper(state_dir: Path) -> int:
    """End the keeper of a state directory with its sessions; return how many there were.

    Raises `NoKeeperException` where there is none.
    """
    with _Conversation(state_dir) as keeper:
        return int(keeper.ask(wire.STOP)[0])


def end_keeper(state_dir: Path) -> None:
    """End the keeper of a state directory with its sessions, if there is one.

    Raises `SilentKeeperException` where it does not answer, and its sessions go on.
    """
    try:
        stop_keeper(state_dir)
    except SilentKeeperException:
        raise
    except NoKeeperException:
        return


def _node(facts: list[bytes]) -> KeptNode:
    name, holder, running, ended = facts
    return KeptNode(name.decode(), int(holder) or None, int(running), int(ended))


class _Conversation:
    """A connection that waits for each answer."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._frames = wire.Frames()

    def __enter__(self) -> "_Conversation":
        self._channel = connect(self._state_dir)
        self._channel.settimeout(PATIENCE)
        try:
            answer = self.ask(wire.HELLO, b"%d" % wire.VERSION, b"")
            self.pid = int(answer[1])
            unknown = b"this keeper is of an earlier version"
            self.groups = [os.fsdecode(fact) for fact in answer[5:7] or (unknown, b"")]
        except BaseException:
            self._channel.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def ask(self, verb: bytes, *fields: bytes) -> list[bytes]:
        """Return the answer's fields.

        Raises `NoKeeperException` with its reason where it says no, or ends, and `SilentKeeperException` where it is
        there and says nothing.
        """
        try:
            self._channel.sendall(wire.pack(verb, b"1", *fields))
            verdict, _, *facts = next(self._heard()).split(b"\0")
        except TimeoutError as exc:
            raise SilentKeeperException(
                f"the keeper (process {peer_of(self._channel)}) does not answer, and its sessions go on"
            ) from exc
        except (OSError, StopIteration, wire.MalformedError) as exc:
            raise NoKeeperException("the keeper does not answer") from exc
        if verdict != wire.OK:
            raise NoKeeperException(os.fsdecode(facts[1]))
        return facts

    def _heard(self) -> Iterator[bytes]:
        while data := self._channel.recv(_CHUNK):
            yield from self._frames.feed(data)

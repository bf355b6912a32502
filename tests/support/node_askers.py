"""Who asks a node, over a real hub, for each of its answers: for each there is somebody who surely does."""

import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from support.deadline import DEADLINE
from support.victim import PATIENCE, RUNS_BY_NAME, Victim, wait_at_most

from omnyshell import OmnyShellException
from omnyshell.cli.ground.asking import ask
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages import ControlMessage, events
from omnyshell.protocol.messages.history import NodeSessionHistoryResponse
from omnyshell.protocol.messages.vitals import NodeSessionProcessesResponse
from omnyshell.services.dial import HubAccess

OPENING = (
    ("exec",), ("connect",), ("run",), ("run --json",), ("sessions resume",), ("forward", "--stdio=localhost:80"),
)  # fmt: skip

ASKED_BY: dict[type[ControlMessage], tuple[tuple[str, ...], ...]] = {
    m.NodeSessionOpened: OPENING,
    m.NodeSessionRejected: OPENING,
    m.ChannelExit: OPENING,
    m.ChannelClose: OPENING,
    m.NodeSessionDetached: (("connect",), ("sessions resume",)),
    m.NodeDetachedSessionsResponse: (
        ("sessions list",), ("sessions list --json",), ("sessions list anywhere",), ("sessions peek anywhere",),
    ),
    m.NodeDetachedSessionKillResponse: (("sessions kill",), ("sessions kill --json",), ("hub close-session",)),
    m.NodeActiveSessionDetachResponse: (("sessions detach",), ("sessions detach --json",)),
    m.NodeSessionScreenResponse: (("sessions peek",), ("sessions peek --json",), ("sessions peek anywhere",)),
    NodeSessionHistoryResponse: (("sessions peek", "--history=5"), ("sessions peek --json", "--history=5")),
    events.NodeLiveSessionsResponse: (
        ("sessions list", "--all"), ("sessions list --json", "--all"), ("sessions list anywhere", "--all"),
    ),
}  # fmt: skip
"""By which commands, as `RUNS_BY_NAME` calls them, with further options. Other answers are not for commands."""

INSTEAD: dict[type[ControlMessage], type[ControlMessage]] = {
    m.NodeSessionRejected: m.NodeSessionOpened,
    m.NodeSessionDetached: m.ChannelExit,
    m.NodeTunnelConnectFailed: m.NodeTunnelConnected,
}
"""What a node has to leave unsaid for something else to be said."""


class Asker(Protocol):
    """Somebody who has the hub ask a node."""

    def run(self, what: object = "", *, waits: float = PATIENCE) -> Any:
        """Ask, wait so many seconds for an answer at most, and see that it did no harm; `what` it was is for errors."""


class Outside:
    """Somebody who connects to the public end of a tunnel to the node, and hears no byte of it."""

    def __init__(self, access: HubAccess) -> None:
        tunnel = ask(access, lambda client: client.open_tunnel("n1", target_port=80))
        self._port = tunnel.public_port

    def run(self, what: object = "", *, waits: float = PATIENCE) -> None:
        """Connect."""
        with socket.create_connection(("127.0.0.1", self._port), DEADLINE) as outside, suppress(ConnectionResetError):
            assert outside.recv(1) == b"", what


class Program:
    """A program that asks, by the library, what runs in sessions."""

    def __init__(self, access: HubAccess) -> None:
        self._access = access

    def run(self, _what: object = "", *, waits: float = PATIENCE) -> None:
        """Ask; it hears an answer, or an error of those that are documented."""
        wait_at_most(waits)
        with suppress(OmnyShellException):
            ask(self._access, lambda client: client.sessions_of("n1").processes())


PROGRAMS: dict[type[ControlMessage], type[Outside] | type[Program]] = {
    m.NodeTunnelConnected: Outside,
    m.NodeTunnelConnectFailed: Outside,
    NodeSessionProcessesResponse: Program,
}


def askers(
    declared: type[ControlMessage], access: HubAccess, capfd: pytest.CaptureFixture[str], place: Path
) -> list[Asker]:
    """Those who surely have the hub ask for an answer, at a machine whose files are at that place."""
    if declared in PROGRAMS:
        return [PROGRAMS[declared](access)]
    found = [(*RUNS_BY_NAME[name], tuple(more)) for name, *more in ASKED_BY[declared]]
    return [Victim(command, capfd, place, as_json=as_json, more=more) for command, as_json, more in found]

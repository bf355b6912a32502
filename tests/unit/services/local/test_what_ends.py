"""What is counted before the hub of this machine ends."""

from datetime import UTC, datetime

from support.in_one_test import in_one_test

from omnyshell.model.live import LiveNode, LiveSession, LiveTunnel, NodePresence, Scope
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.protocol.messages.events import EventsSnapshot
from omnyshell.services.client.live.state import HubState
from omnyshell.services.local.what_ends import WhatEnds

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NODES = {"here": NodePresence.ONLINE, "far": NodePresence.ONLINE, "gone": NodePresence.OFFLINE}


def session(number: int, node_id: str, state: SessionState) -> LiveSession:
    return LiveSession(
        session_id=f"s{number}", node_id=node_id, principal="ann", mode=SessionMode.SHELL, state=state, created_at=NOW
    )


def tunnel(number: int) -> LiveTunnel:
    return LiveTunnel(
        tunnel_id=f"t{number}", node_id="here", principal="ann", target_host="h", target_port=1, public_port=number,
        created_at=NOW,
    )  # fmt: skip


def state_of(sessions: int, tunnels: int) -> HubState:
    states = (SessionState.OPEN, SessionState.DETACHED)
    state = HubState()
    state.apply(
        EventsSnapshot(
            subscription_id="s", seq=1, at=NOW, scope=Scope.ALL, first=True, last=True,
            nodes=tuple(LiveNode(node_id=name, state=presence) for name, presence in NODES.items()),
            sessions=tuple(session(n, ("here", "far")[n // 2 % 2], states[n % 2]) for n in range(sessions)),
            tunnels=tuple(tunnel(n + 1) for n in range(tunnels)),
        )
    )  # fmt: skip
    return state


@in_one_test(
    ("sessions", "tunnels", "and_node", "lines"),
    [
        (0, 0, True, ["1 other node, which waits for a hub"]),
        (1, 1, True, [
            "1 session on this machine's node, attached", "1 tunnel, with the connections through it",
            "1 other node, which waits for a hub",
        ]),
        (4, 2, True, [
            "2 sessions on this machine's node, 1 of them attached", "2 tunnels, with the connections through them",
            "1 attached session, cut off until a hub is back", "1 other node, which waits for a hub",
        ]),
        (4, 0, False, ["2 attached sessions, cut off until a hub is back", "1 other node, which waits for a hub"]),
    ],
)  # fmt: skip
def test_what_is_counted(sessions: int, tunnels: int, lines: list[str], *, and_node: bool) -> None:
    ends = WhatEnds.with_hub(state_of(sessions, tunnels), "here", and_node=and_node)
    assert ends.lines() == lines
    assert ends.is_nothing is (not sessions and not tunnels)


def test_who_leaves_does_not_count_what_they_detach() -> None:
    assert WhatEnds.with_hub(state_of(1, 0), "here", {"here/s0"}, and_node=False).is_nothing

"""What is known of sessions that were left."""

from datetime import UTC, datetime
from typing import Any

from omnyshell.errors import OmnyShellTimeoutException
from omnyshell.model.nodes import NodeDescriptor, PlatformInfo
from omnyshell.model.sessions import DetachedSessionInfo, SessionState
from omnyshell.protocol.extensions import OF_HUB
from omnyshell.tui.keeping.verdicts import Verdict, judge
from omnyshell.tui.messages import SessionRef

LINUX = PlatformInfo(os="linux", arch="x64")


class Client:
    """Each list of nodes and each state is the answer to one question; the last one is that to all later ones."""

    is_connected = True
    hub_features = OF_HUB

    def __init__(self, nodes: list[set[str]], states: list[SessionState | None]) -> None:
        self.nodes = nodes
        self.states = states

    async def list_nodes(self) -> tuple[NodeDescriptor, ...]:
        return tuple(NodeDescriptor(node_id=name, platform=LINUX) for name in _next(self.nodes))

    async def list_sessions(self, node_id: str) -> tuple[DetachedSessionInfo, ...]:
        if node_id == "silent":
            raise OmnyShellTimeoutException("no answer")
        state = _next(self.states)
        made = datetime(2026, 3, 14, tzinfo=UTC)
        info = DetachedSessionInfo(session_id="s", short_id="s", node_id=node_id, owner_user_id="ann", created_at=made)
        if state is None:
            return ()
        info.state = state
        return (info,)


def _next(answers: list[Any]) -> Any:
    return answers.pop(0) if len(answers) > 1 else answers[0]


async def verdict(client: Client, node_id: str = "n") -> Verdict:
    ref = SessionRef(node_id, "s")
    return (await judge(client, [ref], again=0))[ref]


async def test_free_taken_and_gone():
    assert await verdict(Client([{"n"}], [SessionState.DETACHED])) is Verdict.FREE
    assert await verdict(Client([{"n"}], [SessionState.ATTACHED])) is Verdict.TAKEN
    assert await verdict(Client([{"n"}], [None])) is Verdict.GONE
    assert await verdict(Client([{"silent"}], [None]), "silent") is Verdict.UNKNOWN


async def test_a_console_that_was_killed_is_noticed_a_moment_later():
    assert await verdict(Client([{"n"}], [SessionState.ATTACHED, SessionState.DETACHED])) is Verdict.FREE


async def test_a_node_that_was_away_for_a_moment_is_not_taken_for_one_without_sessions():
    assert await verdict(Client([set()], [None])) is Verdict.AWAY
    assert await verdict(Client([{"n"}, set()], [None])) is Verdict.AWAY
    assert await verdict(Client([set(), {"n"}], [None])) is Verdict.AWAY


async def test_where_the_hub_does_not_answer_nothing_is_taken():
    class Lost(Client):
        async def list_nodes(self) -> tuple[NodeDescriptor, ...]:
            raise OmnyShellTimeoutException("no answer")

    assert await verdict(Lost([set()], [None])) is Verdict.UNKNOWN

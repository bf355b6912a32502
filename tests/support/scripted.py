"""Sessions and a client that say what they are told to, for the console without a hub."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from omnyshell import SessionMode
from omnyshell.errors import ChannelException, OmnyShellException
from omnyshell.model.nodes import NodeDescriptor, PlatformInfo
from omnyshell.model.sessions import DetachedSessionInfo, SessionState
from omnyshell.protocol.extensions import OF_HUB
from omnyshell.protocol.messages import AuthOk, SessionDetached
from omnyshell.services.client.node_sessions import SessionScreen
from omnyshell.services.client.output import OutputChunk
from omnyshell.services.client.states import ExitStatus, LinkState

RECORDINGS = Path(__file__).parents[1] / "recordings"


def recording(name: str) -> bytes:
    """What a real program wrote: see docs/terminal.md."""
    return (RECORDINGS / f"{name}.bin").read_bytes()


class ScriptedChannel:
    budget = 1 << 20


class ScriptedSession:
    """Says what it is told to, and keeps what is typed."""

    def __init__(self) -> None:
        self.history_end: int | None = None
        self.id = "4721c3f6-0000-4000-8000-000000000000"
        self.mode = SessionMode.SHELL
        self.channel = ScriptedChannel()
        self.on_state: Callable[[LinkState], None] = lambda _state: None
        self.is_suspended = self.has_ended = False
        self.lost_by: OmnyShellException | None = None
        self.detached: SessionDetached | None = None
        self.owner = ""
        self.input = b""
        self.sizes: list[tuple[int, int]] = []
        self.taken = 0
        self.output: asyncio.Queue[bytes | OmnyShellException | ExitStatus] = asyncio.Queue()
        self._end: ExitStatus | None = None

    async def __aiter__(self) -> AsyncIterator[OutputChunk]:
        while True:
            said = await self.output.get()
            if isinstance(said, OmnyShellException):
                self.has_ended = True
                raise said
            if isinstance(said, ExitStatus):
                self._end, self.has_ended = said, True
                return
            yield OutputChunk(None, said)
            self.taken += len(said)

    def take_waiting(self) -> list[bytes]:
        return []

    async def wait(self) -> ExitStatus:
        assert self._end is not None
        return self._end

    def send(self, data: bytes) -> None:
        self.input += data

    async def write(self, data: bytes) -> None:
        while not self.channel.budget:
            await asyncio.sleep(0.001)
        self.send(data)

    def resize(self, cols: int, rows: int) -> None:
        self.sizes.append((cols, rows))

    def abandon(self) -> None:
        self.has_ended = True

    async def detach(self) -> None:
        await asyncio.sleep(0.02)
        self.output.put_nowait(ChannelException("detached"))


class ScriptedClient:
    """A client whose hub has these nodes, with these detached sessions and their screens.

    What is on the nodes of `refusals` cannot be seen.
    """

    def __init__(
        self,
        screens: Mapping[tuple[str, str], bytes] | None = None,
        refusals: Mapping[str, OmnyShellException] | None = None,
    ) -> None:
        self.screens = dict(screens or {})
        self.refusals = dict(refusals or {})
        self.is_connected = True
        self.hub_features = OF_HUB
        self.identity = AuthOk(principal="ann", roles=("admin",), session_token="")
        self.exits: dict[str, int] = {}
        self.commands: dict[str, str] = {}
        self.asked = 0

    async def list_nodes(self, labels: Mapping[str, str] | None = None) -> tuple[NodeDescriptor, ...]:
        names = sorted({node for node, _ in self.screens})
        return tuple(NodeDescriptor(node_id=name, platform=PlatformInfo(os="linux", arch="x64")) for name in names)

    def sessions_of(self, node_id: str, owner: str = "") -> "ScriptedRequests":
        return ScriptedRequests(self, node_id)

    async def list_sessions(self, node_id: str) -> tuple[DetachedSessionInfo, ...]:
        return tuple(
            DetachedSessionInfo(
                session_id=ref,
                short_id=ref[:8],
                node_id=node,
                owner_user_id="ann",
                created_at=datetime(2026, 3, 14, tzinfo=UTC),
                detached_at=datetime(2026, 3, 14, 14, 40, tzinfo=UTC),
                expires_at=datetime(2026, 3, 15, 14, 40, tzinfo=UTC),
                state=SessionState.DETACHED,
                current_command=self.commands.get(ref),
            )
            for node, ref in self.screens
            if node == node_id
        )

    async def peek(
        self, node_id: str, session_ref: str, *, etag: str = "", with_history: bool = False
    ) -> SessionScreen:
        self.asked += 1
        if node_id in self.refusals:
            raise self.refusals[node_id]
        data = self.screens[node_id, session_ref]
        tag = str(hash(data))
        is_same = etag == tag
        return SessionScreen(b"" if is_same else data, etag=tag, is_same=is_same, exit_code=self.exits.get(session_ref))

    async def close(self) -> None:
        """Nothing is open."""


class ScriptedRequests:
    """Requests about the sessions of one node, whoever they belong to."""

    def __init__(self, client: ScriptedClient, node_id: str) -> None:
        self._client = client
        self._node_id = node_id

    async def peek(self, session_ref: str, etag: str = "") -> SessionScreen:
        return await self._client.peek(self._node_id, session_ref, etag=etag)

    async def detach(self, session_ref: str) -> str:
        return session_ref[:8]

    async def list(self) -> tuple[DetachedSessionInfo, ...]:
        return await self._client.list_sessions(self._node_id)

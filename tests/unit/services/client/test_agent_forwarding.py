"""What a node that is hostile may send to a client that forwards its agent."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.agents import FakeAgent, HeldKey, fake_agent
from support.deadline import DEADLINE

from omnyshell import ProtocolException
from omnyshell.security.agent.agent import SOCKET_VARIABLE
from omnyshell.services.client.agent_forwarding import FrameReader, forwarded_agent, framed
from omnyshell.services.client.output import OutputChunk

PATH = framed(0, b"/tmp/x/agent")


class Session:
    """A session of a node that says this, and has ended then, or stays."""

    def __init__(self, *said: bytes, stream: str = "out", stays: bool = False) -> None:
        self.answers: list[bytes] = []
        self.closed = asyncio.Event()
        self._said = said
        self._is_stderr = stream == "err"
        self._stays = stays

    async def open_as_asked(self, _request: object, *_extensions: str) -> "Session":
        return self

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed.set()

    async def __aiter__(self) -> AsyncIterator[OutputChunk]:
        for data in self._said:
            yield chunk(data, is_stderr=self._is_stderr)
            await asyncio.sleep(0)
        if self._stays:
            await self.closed.wait()

    def send(self, data: bytes) -> None:
        self.answers.append(data)

    async def drain(self) -> None:
        """There is room."""


def chunk(data: bytes, *, is_stderr: bool) -> OutputChunk:
    return type("Chunk", (), {"data": data, "is_stderr": is_stderr})()  # type: ignore[return-value]


@pytest.fixture(autouse=True, name="agent")
async def _agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeAgent]:
    monkeypatch.setenv(SOCKET_VARIABLE, str(tmp_path / "agent"))
    async with fake_agent(tmp_path / "agent", HeldKey()) as agent:
        # It never answers, so that what is asked stays open.
        agent.says = lambda _body: b""
        yield agent


def test_frames_are_found_however_they_are_cut() -> None:
    data = framed(0, b"/path") + framed(1, b"") + framed(2**32 - 1, b"x" * 300)
    for size in (1, 3, 7, 8, 9, len(data)):
        reader, found = FrameReader(), []
        for start in range(0, len(data), size):
            found += reader.feed(data[start : start + size])
        assert found == [(0, b"/path"), (1, b""), (2**32 - 1, b"x" * 300)]


REQUEST = b"\x0b"
WRONG = {
    "a frame that is too large": [PATH, b"\0\0\0\1\xff\xff\xff\xff"],
    "a path twice": [PATH + PATH],
    "too many connections": [PATH + b"".join(framed(number, REQUEST) for number in range(1, 18))],
    "requests without end": [PATH + framed(1, REQUEST) * 9],
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_no_node_sends_ends_it(agent: FakeAgent, wrong: str) -> None:
    session = Session(*WRONG[wrong])
    async with asyncio.timeout(DEADLINE), forwarded_agent(session, "n1", "") as env:  # type: ignore[arg-type]
        assert env == {SOCKET_VARIABLE: "/tmp/x/agent"}
        await session.closed.wait()
        while agent.connections:
            await asyncio.sleep(0)
    assert session.answers == []


async def test_a_connection_that_the_node_has_ended_counts_no_more(agent: FakeAgent) -> None:
    # All of it comes in one piece, as where the node was faster than this side.
    turns = b"".join(framed(number, REQUEST) + framed(number, b"") for number in range(17, 60))
    full = b"".join(framed(number, REQUEST) for number in range(1, 17))
    session = Session(PATH + full + framed(16, b"") + turns + framed(99, b"") + framed(60, REQUEST), stays=True)
    agent.says = lambda _body: None
    async with asyncio.timeout(DEADLINE), forwarded_agent(session, "n1", ""):  # type: ignore[arg-type]
        while len(session.answers) < 16:
            await asyncio.sleep(0)
    answered = {int.from_bytes(answer[:4]) for answer in session.answers if len(answer) > 8}
    assert answered == {*range(1, 16), 60}


@pytest.mark.parametrize("path", [b"", b"relative", b"/" + b"x" * 107, b"/a\nb", b"/a\x1b[31m"])
async def test_a_path_that_is_none_is_refused(path: bytes) -> None:
    with pytest.raises(ProtocolException, match="names no socket"):
        async with forwarded_agent(Session(framed(0, path)), "n1", ""):  # type: ignore[arg-type]
            pass


async def test_what_the_node_says_of_it_is_told_in_one_line() -> None:
    session = Session(b"omnyshell: there is no place\x1b[31m for it\n", stream="err")
    with pytest.raises(ProtocolException, match="opened no socket for the agent: omnyshell: there is no place\ufffd"):
        async with forwarded_agent(session, "n1", ""):  # type: ignore[arg-type]
            pass

"""What a client makes of a node's answer to a request for ssh."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast
from unittest.mock import Mock

import pytest

from omnyshell.errors import OmnyShellException, ProtocolException
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import SessionOpen
from omnyshell.protocol.messages.sessions import SessionOpened
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey, encode_base64
from omnyshell.security.ssh_host_proof import SshMeeting
from omnyshell.services.client.session import OutputChunk
from omnyshell.services.client.ssh.session import ask_host_key, ask_user, open_ssh
from omnyshell.services.client.states import ExitStatus

CLIENT, NODE, HOST, OTHER = (Ed25519PrivateKey.generate() for _ in range(4))


class Hub:
    """Answers a request, with some of what a node says changed."""

    def __init__(self, changed: dict[str, Any]) -> None:
        self._changed = changed
        self.session = Mock(node_id="n1", id="s-1")

    async def open_as_asked(self, request: SessionOpen, *_extensions: str) -> Mock:
        meeting = SshMeeting(
            node_id="n1",
            host_key=HOST.public_key,
            client_key=None if request.ssh_key is None else Ed25519PublicKey.from_base64(request.ssh_key),
            user=request.user or "",
            session_id="s-1",
            nonce=request.ssh_nonce or "",
        )
        said = {
            "ssh_host_key": HOST.public_key.to_base64(),
            "ssh_node_key": NODE.public_key.to_base64(),
            "ssh_proof": encode_base64(NODE.sign(meeting.message)),
        }
        self.session.opened = asyncio.get_running_loop().create_future()
        self.session.opened.set_result(SessionOpened(session_id="s-1", **said | self._changed))
        return self.session


async def test_a_proof_that_fits_is_taken() -> None:
    hub: Any = Hub({})
    _, shown = await open_ssh(hub, "n1", "ann", CLIENT.public_key)
    assert (shown.user, shown.host_key, shown.node_key) == ("ann", HOST.public_key, NODE.public_key)
    hub.session.close.assert_not_called()


WRONG = pytest.mark.parametrize(
    "changed",
    [
        {"ssh_host_key": OTHER.public_key.to_base64()},
        {"ssh_node_key": OTHER.public_key.to_base64()},
        {"ssh_proof": encode_base64(NODE.sign(b"another text"))},
        {"ssh_proof": None},
        {"ssh_proof": "?"},
        {"ssh_host_key": None},
        {"ssh_host_key": "\x1b[31m"},
        {"ssh_node_key": "YQ"},
    ],
)


@WRONG
async def test_what_does_not_fit_ends_the_session(changed: dict[str, Any]) -> None:
    hub: Any = Hub(changed)
    with pytest.raises(ProtocolException):
        await open_ssh(hub, "n1", "ann", CLIENT.public_key)
    hub.session.close.assert_called_once()


@WRONG
async def test_an_answer_to_a_question_is_held_against_the_same(changed: dict[str, Any]) -> None:
    hub: Any = Hub(changed)
    with pytest.raises(ProtocolException):
        await ask_host_key(hub, "n1", "ann")
    hub.session.close.assert_called_once()


async def test_an_answer_of_before_is_none_to_another_question() -> None:
    """A hub that has heard one proof cannot show it again: each is for the nonce of one question."""
    first: Any = Hub({})
    session, _ = await open_ssh(first, "n1", "ann", CLIENT.public_key)
    told = session.opened.result()
    again: Any = Hub({"ssh_proof": told.ssh_proof})
    for asked in (open_ssh(again, "n1", "ann", CLIENT.public_key), ask_host_key(again, "n1", "ann")):
        with pytest.raises(ProtocolException):
            await asked


class Answering:
    """A session in which a node answers."""

    def __init__(self, *chunks: OutputChunk, code: int = 0) -> None:
        self._chunks = chunks
        self._code = code
        self.closed = self.read = 0

    async def __aenter__(self) -> "Answering":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed += 1

    async def __aiter__(self) -> AsyncIterator[OutputChunk]:
        for chunk in self._chunks:
            self.read += 1
            yield chunk

    def eof(self) -> None:
        """There is no input."""

    async def wait(self) -> ExitStatus:
        return ExitStatus(self._code, None)


async def answered(session: Answering) -> str:
    async def opened(_request: SessionOpen, *_extensions: str) -> Answering:
        return session

    return await ask_user(cast("Any", Mock(open_as_asked=opened)), "n1")


def said(data: bytes, *, on_stderr: bool = False) -> OutputChunk:
    return OutputChunk(DataOpcode.STDERR if on_stderr else DataOpcode.STDOUT, data)


async def test_a_name_is_taken_and_a_reason_is_passed_on() -> None:
    assert await answered(Answering(said(b"an"), said(b"n\n"))) == "ann"
    for session in (
        Answering(said(b"no sshd\n", on_stderr=True), code=255),
        Answering(said(b"a b\n"), said(b"no sshd", on_stderr=True)),
    ):
        with pytest.raises(OmnyShellException, match="no sshd"):
            await answered(session)


async def test_an_answer_without_end_is_not_read_to_it() -> None:
    session = Answering(*[said(b"a" * 1024)] * 100)
    with pytest.raises(ProtocolException, match="says more"):
        await answered(session)
    assert (session.read, session.closed) == (5, 1)

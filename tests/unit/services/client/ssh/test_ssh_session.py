"""What a client makes of a node's answer to a request for ssh."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from omnyshell.errors import ProtocolException
from omnyshell.protocol.messages import SessionOpen
from omnyshell.protocol.messages.sessions import SessionOpened
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey, encode_base64
from omnyshell.security.ssh_host_proof import SshMeeting
from omnyshell.services.client.ssh.session import ask_host_key, open_ssh

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

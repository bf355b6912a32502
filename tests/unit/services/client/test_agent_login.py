"""Logins by an agent: what it is asked for, and what a hostile one can do."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.agents import FakeAgent, HeldKey, fake_agent
from support.deadline import DEADLINE
from support.raw_admin import fields

from omnyshell import AuthRequest, ConfigException, LoginContext, PrincipalId
from omnyshell.protocol.extensions import SECURITY_KEYS
from omnyshell.security.agent import agent as agents
from omnyshell.security.agent.agent import SOCKET_VARIABLE, AgentException
from omnyshell.security.credentials import credential_from_request
from omnyshell.security.public_keys import fingerprint, read_blob
from omnyshell.services.client.agent_login import AgentCredentialProvider
from omnyshell.services.dial import LoginWait

NONCE = "n" * 43
CONTEXT = LoginContext(NONCE, "client", bytes(32), "hub.example", 8443, frozenset({SECURITY_KEYS}))
PLAIN, TOKEN = HeldKey("laptop", ""), HeldKey("token")


def provider(key: str = "agent", known: str = "", told: Callable[[str], None] = print) -> AgentCredentialProvider:
    return AgentCredentialProvider(PrincipalId("ann"), key, known, LoginWait(told))


async def made(by: AgentCredentialProvider, context: LoginContext = CONTEXT) -> AuthRequest:
    async with asyncio.timeout(DEADLINE):
        return await by.auth_request(context, bind=True)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(SOCKET_VARIABLE, str(tmp_path / "agent"))
    return tmp_path / "agent"


@pytest.mark.parametrize("held", [PLAIN, TOKEN], ids=["a plain key", "a hardware token"])
async def test_one_tagged_signature_is_asked_for_and_it_is_the_bound_one(place: Path, held: HeldKey) -> None:
    told: list[str] = []
    async with fake_agent(place, held) as agent:
        request = await made(provider(told=told.append))
    credential = credential_from_request(request)
    assert credential.is_proved(CONTEXT)  # type: ignore[attr-defined]
    # Nothing of it is chosen by the hub but the nonce, of which it says only 43 characters of base64.
    place_fields = (bytes(32), b"client", b"ann", b"hub.example", b"8443")
    assert agent.signed == [fields(b"omnyshell:auth-bind:v2", NONCE.encode(), *place_fields)]
    assert told == (["touch the key 'token' to log in"] if held is TOKEN else [])


async def test_nothing_is_asked_of_an_agent_for_a_hub_that_binds_nothing(place: Path) -> None:
    wrong: dict[str, tuple[LoginContext, bool]] = {
        "cannot bind a login": (LoginContext(NONCE, "client"), False),
        "cannot bind": (LoginContext(NONCE, "client", bytes(32)), True),
        "is no nonce": (LoginContext("SSHSIG", "client", bytes(32), "hub.example", 1), True),
    }
    async with fake_agent(place, PLAIN) as agent:
        for sentence, (context, bind) in wrong.items():
            with pytest.raises(ConfigException, match=sentence):
                provider().auth_request(context, bind=bind)
        assert not agent.connections
    async with fake_agent(place, TOKEN) as agent:
        with pytest.raises(ConfigException, match="takes no keys of hardware tokens"):
            await made(provider(), LoginContext(NONCE, "client", bytes(32), "hub.example", 8443))
        assert not agent.signed


async def test_the_key_that_logged_in_first_is_asked_for_again(place: Path) -> None:
    other = HeldKey("other", "")
    by = provider("agent:laptop")
    async with fake_agent(place, PLAIN, other) as agent:
        await made(by)
        assert (by.key, by.fingerprint) == ("agent:laptop", fingerprint(read_blob(PLAIN.blob)))
        agent.keys[:] = [HeldKey("laptop", ""), other]
        with pytest.raises(AgentException, match="does not hold the key 'laptop' of this login, SHA256:"):
            await made(by)
        agent.keys.append(PLAIN)
        await made(by)


ANSWERS: dict[str, tuple[bytes, str]] = {
    "nothing that is a message": (b"HTTP/1.1 200 OK\r\n\r\n", "is no agent"),
    "a huge message": (b"\xff\xff\xff\xff", "is no agent"),
    "an empty message": (bytes(4), "is no agent"),
    "another message": (fields(b"\x06"), "is no agent"),
    "two answers": (fields(b"\x05") * 2, "two answers to one question"),
    "a refusal": (fields(b"\x05"), "does not say which keys|refused to sign"),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("asked", [11, 13])
async def test_a_hostile_agent_is_told_in_a_sentence(place: Path, answer: str, asked: int) -> None:
    said, sentence = ANSWERS[answer]
    async with fake_agent(place, PLAIN) as agent:
        agent.says = lambda body: said if body[0] == asked else None
        if (answer, asked) == ("another message", 13):
            sentence = "refused to sign"
        with pytest.raises(AgentException, match=sentence):
            await made(provider())


async def test_an_agent_that_signs_wrongly_hangs_or_goes_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(agent: FakeAgent, answer: bytes) -> None:
        agent.says = lambda body: answer if body[0] == 13 else None

    for held in (PLAIN, TOKEN):
        async with fake_agent(place, held) as agent:
            says(agent, fields(held.sign(b"something else")))
            with pytest.raises(AgentException, match="signed wrongly"):
                await made(provider())
            says(agent, fields(b"\x05"))
            said = "nobody touched.*PIN was wrong" if held is TOKEN else "refused to sign"
            with pytest.raises(AgentException, match=said):
                await made(provider())
            monkeypatch.setattr(agents, "SIGN_TIMEOUT", 0.05)
            # Half an answer, and none.
            for part in (b"\0\0\0\x20\x0e", b""):
                says(agent, part)
                with pytest.raises(AgentException, match=r"did not answer within 0\.05 s; it may wait for a touch"):
                    await made(provider())
        place.unlink()
    place.write_text("no socket")
    with pytest.raises(AgentException, match="no agent answers at"):
        await made(provider())
    monkeypatch.setenv(SOCKET_VARIABLE, str(place.with_name("n" * 200)))
    with pytest.raises(AgentException, match="no agent answers at"):
        await made(provider())
    monkeypatch.delenv(SOCKET_VARIABLE)
    with pytest.raises(AgentException, match="SSH_AUTH_SOCK is not set"):
        await made(provider())


async def test_who_waits_for_a_touch_can_leave_and_leaves_nothing(place: Path) -> None:
    async with fake_agent(place, TOKEN) as agent:
        agent.touched.clear()
        waiting = asyncio.ensure_future(provider().auth_request(CONTEXT, bind=True))
        async with asyncio.timeout(DEADLINE):
            await agent.asked_for_touch.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        agent.touched.set()
        async with asyncio.timeout(DEADLINE):
            while agent.connections:
                await asyncio.sleep(0)


async def test_a_plain_key_that_takes_long_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.services.client.agent_login.TELL_AFTER", 0.0)
    told: asyncio.Queue[Any] = asyncio.Queue()
    async with fake_agent(place, PLAIN) as agent:
        agent.touched.clear()
        making = asyncio.ensure_future(made(provider(told=told.put_nowait)))
        async with asyncio.timeout(DEADLINE):
            assert await told.get() == "waiting for the agent to sign with 'laptop'"
        agent.touched.set()
        await making

"""Sessions of others with real shells: seen, taken over, given back and ended by who may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.stack import Certificates, connected_client, stack, until

from omnyshell import OmnyShellClient, SessionMode
from omnyshell.errors import (
    AuthorizationException,
    ChannelException,
    NodeUnavailableException,
    SessionRejectedException,
)
from omnyshell.model.sessions import PtySpec, SessionState
from omnyshell.protocol.extensions import OF_HUB, OTHERS_SESSIONS
from omnyshell.services.client.session import RemoteSession

SIZE = PtySpec(cols=80, rows=24)


class Screen:
    """A session's output, as it comes."""

    def __init__(self, session: RemoteSession) -> None:
        self.session = session
        self.text = b""
        self.error: Exception | None = None
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for chunk in self.session:
                self.text += chunk.data
        except Exception as exc:
            self.error = exc

    async def shows(self, text: bytes) -> None:
        await until(lambda: text in self.text)

    async def ends(self) -> Exception | None:
        await self._reading
        return self.error


@asynccontextmanager
async def at_work(
    certificates: Certificates, tmp_path: Path
) -> AsyncIterator[tuple[OmnyShellClient, OmnyShellClient, Screen]]:
    """An admin, and somebody who has a shell."""
    async with (
        stack(certificates, tmp_path, labels={"allow-roles": "developer"}) as (hub, _, admin),
        connected_client(certificates, hub.port, "dev") as dev,
    ):
        session = await dev.open_session("n1", mode=SessionMode.SHELL, command="env PS1='ready> ' sh -i", pty=SIZE)
        mine = Screen(session)
        await mine.shows(b"ready>")
        yield admin, dev, mine


async def test_an_admin_lists_looks_takes_over_and_the_owner_takes_back(certificates: Certificates, tmp_path: Path):
    async with at_work(certificates, tmp_path) as (admin, dev, mine):
        await mine.session.write(b"x=kept; for i in 1 2 3; do echo line$i; done\r")
        await mine.shows(b"line3")
        (found,) = await admin.sessions_of("n1").list_everyones()
        assert (found.owner_user_id, found.state, found.session_id) == ("dev", SessionState.ATTACHED, mine.session.id)
        theirs = admin.sessions_of("n1", "dev")
        assert await theirs.list() == (found,)
        screen = await theirs.peek(found.short_id, with_history=True)
        assert b"line3" in screen.data
        assert [part async for part in theirs.history(found.session_id, screen.history_end or 0, 10)] == [b""]

        taken = Screen(await admin.resume("n1", found.short_id, pty=SIZE, owner="dev"))
        error = await mine.ends()
        assert isinstance(error, ChannelException)
        assert str(error) == "the session was detached by admin; it goes on"
        await taken.shows(b"line3")
        await taken.session.write(b"echo $x by ad''min\r")
        await taken.shows(b"kept by admin")
        # Whoever closes what is not theirs leaves it.
        taken.session.close()
        await until_state(dev, SessionState.DETACHED)
        again = Screen(await dev.resume("n1", found.session_id, pty=SIZE))
        await again.shows(b"kept by admin")
        again.session.close()


async def until_state(client: OmnyShellClient, state: SessionState) -> None:
    async with asyncio.timeout(DEADLINE):
        while [info.state for info in await client.list_sessions("n1")] != [state]:
            await asyncio.sleep(0.01)


async def test_a_lost_hub_is_waited_for_in_a_session_of_somebody_else(certificates: Certificates, tmp_path: Path):
    async with at_work(certificates, tmp_path) as (admin, _, mine):
        taken = Screen(await admin.resume("n1", mine.session.id, pty=SIZE, owner="dev"))
        await mine.ends()
        assert admin.take_up_again()
        async with asyncio.timeout(DEADLINE):
            # Between two looks of `until` it may have been taken up again already.
            while not taken.session.is_suspended:
                await asyncio.sleep(0)
        await until(lambda: not taken.session.is_suspended)
        await taken.session.write(b"echo st''ill\r")
        await taken.shows(b"still")


async def test_an_admin_ends_it_and_its_owner_is_told_who_did(certificates: Certificates, tmp_path: Path):
    async with at_work(certificates, tmp_path) as (admin, dev, mine):
        said = await admin.sessions_of("n1", "dev").kill(mine.session.id)
        assert "was ended" in said
        error = await mine.ends()
        assert isinstance(error, NodeUnavailableException)
        assert str(error) == "admin ended this session"
        assert await dev.list_sessions("n1") == ()


async def test_an_admin_detaches_it_and_its_owner_is_told_who_did(certificates: Certificates, tmp_path: Path):
    async with at_work(certificates, tmp_path) as (admin, dev, mine):
        assert await admin.sessions_of("n1", "dev").detach(mine.session.id) == mine.session.id[:8]
        assert str(await mine.ends()) == "the session was detached by admin; it goes on"
        await until_state(dev, SessionState.DETACHED)


async def test_who_may_not_is_told_what_it_takes(certificates: Certificates, tmp_path: Path):
    async with at_work(certificates, tmp_path) as (_, dev, _):
        theirs = dev.sessions_of("n1", "admin")
        with pytest.raises(AuthorizationException, match="look at sessions of admin on 'n1': it takes the role admin"):
            await theirs.peek("0" * 8)
        with pytest.raises(AuthorizationException, match="Not authorized to end sessions of admin"):
            await theirs.kill("0" * 8)
        with pytest.raises(AuthorizationException):
            await dev.sessions_of("n1").list_everyones()
        with pytest.raises(SessionRejectedException, match="reach other people's sessions") as caught:
            await dev.resume("n1", "0" * 8, pty=SIZE, owner="admin")
        assert caught.value.code == "not_authorized"


async def test_an_older_hub_is_not_asked_as_it_would_take_ones_own(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("omnyshell.services.hub.assembly.OF_HUB", OF_HUB - {OTHERS_SESSIONS})
    async with at_work(certificates, tmp_path) as (admin, dev, mine):
        with pytest.raises(SessionRejectedException, match="too old"):
            admin.sessions_of("n1", "dev")
        with pytest.raises(SessionRejectedException, match="too old"):
            await admin.resume("n1", mine.session.id, pty=SIZE, owner="dev")
        # One's own take no name.
        assert len(await dev.sessions_of("n1", "dev").list()) == 1

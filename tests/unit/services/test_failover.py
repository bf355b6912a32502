"""Which of several hubs a client logs in at, where some say nothing or refuse it."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.deadline import DEADLINE

from omnyshell.errors import AuthException, OmnyShellException, TransportException
from omnyshell.model.hubs import OtherHub
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.services import failover
from omnyshell.services.dial import HubAccess
from omnyshell.services.failover import HubDialler
from omnyshell.services.known_hubs import KnownHubs
from omnyshell.transport.connection import HubAddress

HOME = HubAddress("home", 1)


class Hub:
    """A hub: what it says of a login, once a test has it speak."""

    def __init__(self, refuses: OmnyShellException | None = None) -> None:
        self.refuses = refuses
        self.speaks, self.answers = asyncio.Event(), asyncio.Event()
        self.dialled = self.logins = self.left = 0

    def awake(self) -> "Hub":
        self.speaks.set()
        self.answers.set()
        return self


class World:
    """Hubs `home`, `b` and `c`, in which order a client tries them unless told otherwise."""

    def __init__(self) -> None:
        self.hubs = {name: Hub() for name in ("home", "b", "c")}
        self.open = 0
        self.known = KnownHubs()
        access = HubAccess(
            address=HOME, credentials=cast("TokenCredentialProvider", None), ca=cast("Any", "ca"), known=self.known
        )
        self.known.note(str(HOME), tuple(OtherHub(url=f"wss://{name}:1") for name in ("b", "c")))
        self.dialler = HubDialler(access, draw=lambda: 0.0)

    async def dial(self, access: HubAccess, *, turn: Any = None, **_: Any) -> Any:
        hub = self.hubs[access.address.host]
        hub.dialled += 1
        try:
            await hub.speaks.wait()
            if turn is not None and (waiting := turn.take()) is not None:
                await waiting
            hub.logins += 1
            await hub.answers.wait()
        except asyncio.CancelledError:
            hub.left += 1
            raise
        if hub.refuses is not None:
            raise hub.refuses
        self.open += 1
        return SimpleNamespace(features=frozenset(), handshake=None, at=access.address.host, link=self)

    def abort(self) -> None:
        """End a connection, as its link."""
        self.open -= 1

    async def came_to(self) -> str:
        async with asyncio.timeout(DEADLINE):
            connection: Any = await self.dialler.dial(on_lost=print, on_message=print)
        assert self.dialler.at.host == connection.at
        return str(connection.at)

    def counts(self, what: str) -> list[int]:
        return [getattr(hub, what) for hub in self.hubs.values()]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(failover, "dial", made.dial)
    monkeypatch.setattr(failover, "SILENT", 0.0)
    return made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "SILENT", 10 * DEADLINE)


@pytest.mark.usefixtures("patient")
async def test_a_hub_that_answers_is_the_only_one_that_is_dialled(world: World) -> None:
    world.hubs["home"].awake()
    assert await world.came_to() == "home"
    assert world.counts("dialled") == [1, 0, 0]


@pytest.mark.usefixtures("patient")
async def test_where_one_refuses_the_next_is_dialled_at_once_and_it_no_more(world: World) -> None:
    world.hubs["home"].awake().refuses = AuthException("no")
    world.hubs["b"].awake().refuses = TransportException("nothing listens")
    world.hubs["c"].awake()
    assert await world.came_to() == "c"
    assert world.counts("dialled") == [1, 1, 1]


async def test_beside_one_that_says_nothing_the_next_is_dialled_and_it_is_tried_behind_others_then(
    world: World,
) -> None:
    world.hubs["b"].awake()
    assert await world.came_to() == "b"
    assert (world.counts("logins"), world.counts("left")[0]) == ([0, 1, 0], 1)
    assert [world.known.is_silent(f"wss://{name}:1") for name in world.hubs] == [True, False, False]


async def test_while_a_login_is_under_way_no_other_is_begun(world: World) -> None:
    """A hub that spoke first may be slow: as where somebody has to touch a key."""
    home = world.hubs["home"]
    home.speaks.set()
    world.hubs["b"].speaks.set()
    coming = asyncio.create_task(world.came_to())
    while not home.logins:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert world.counts("logins") == [1, 0, 0]
    home.answers.set()
    assert await coming == "home"


async def test_where_the_first_that_spoke_refuses_the_one_that_spoke_then_is_asked(world: World) -> None:
    home, b, c = world.hubs.values()
    b.refuses = AuthException("no")
    coming = asyncio.create_task(world.came_to())
    while world.counts("dialled") != [1, 1, 1]:
        await asyncio.sleep(0)
    b.speaks.set()
    while not b.logins:
        await asyncio.sleep(0)
    home.awake()
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.counts("logins") == [0, 1, 0]
    b.answers.set()
    assert await coming == "home"
    assert (world.counts("dialled"), c.left) == ([1, 1, 1], 1)


async def test_where_all_fail_the_own_hub_says_why_and_nothing_is_left(world: World) -> None:
    for name, hub in world.hubs.items():
        hub.awake().refuses = AuthException(f"no, says {name}")
    with pytest.raises(AuthException, match="says home"):
        await world.came_to()
    assert world.counts("logins") == [1, 1, 1]


async def test_who_gives_up_leaves_no_attempt(world: World) -> None:
    coming = asyncio.create_task(world.came_to())
    while world.counts("dialled") != [1, 1, 1]:
        await asyncio.sleep(0)
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    assert world.counts("left") == [1, 1, 1]


async def test_who_gives_up_at_any_step_leaves_no_connection(world: World) -> None:
    for hub in world.hubs.values():
        hub.awake()
    came = []
    for steps in range(12):
        coming = asyncio.create_task(world.came_to())
        for _ in range(steps):
            await asyncio.sleep(0)
        coming.cancel()
        came += await asyncio.gather(coming, return_exceptions=True)
        await asyncio.sleep(0)
        assert world.open == sum(isinstance(one, str) for one in came), steps
    assert isinstance(came[0], asyncio.CancelledError)
    assert isinstance(came[-1], str)

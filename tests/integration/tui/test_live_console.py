"""The console over a real hub: its own, one that runs already, and one that goes and comes back."""

import argparse
import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.arriving import arrive
from support.deadline import DEADLINE
from support.hub_process import HubProcess
from support.stack import Certificates, access, hub_config, until
from support.terminals import KnownHub
from textual.pilot import Pilot
from textual.widgets import Static

from omnyshell import OmnyShellHub
from omnyshell.errors import ConfigException
from omnyshell.model.live import Part
from omnyshell.paths import logins_file
from omnyshell.services.client.live.state import Link, Source
from omnyshell.services.client.login_store import CredentialStore, StoredSession
from omnyshell.services.dial import HubAccess
from omnyshell.services.local import hub as local_hub
from omnyshell.services.local.listening import LISTENING_FILE
from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.setup import LocalSetup
from omnyshell.tui.actions.leaving import LeavingQuestion
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.hub_places import RemoteHub, ThisMachine, chosen_place
from omnyshell.tui.settings import ConsoleSettings


@pytest.fixture(autouse=True)
def _any_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run beside these take the usual port."""
    monkeypatch.setattr(local_hub, "DEFAULT_PORT", 0)


@asynccontextmanager
async def this_machine() -> AsyncIterator[tuple[ConsoleApp, ThisMachine]]:
    """A console over this machine's own hub and node, both gone afterwards."""
    place = ThisMachine(LocalSetup.default())
    app = ConsoleApp(ConsoleSettings(), place)
    try:
        async with app.run_test(size=(100, 30)):
            await until(lambda: any(node.is_online for node in app.hub.state.nodes.values()), DEADLINE)
            yield app, place
    finally:
        await asyncio.to_thread(place.leave)
        await asyncio.to_thread(LocalNode(LocalSetup.default()).end, DEADLINE)


async def test_everything_is_made_without_a_question() -> None:
    async with this_machine() as (app, _):
        running = LocalSetup.default().running()
        assert running is not None
        assert list(app.hub.state.nodes) == [running.node_id]
        assert app.hub.state.source(Part.AUDIT) is Source.LIVE
        await asyncio.wait_for(app.hub.connected.wait(), DEADLINE)
        result = await app.hub.client.execute(running.node_id, "echo here")
        assert result.stdout == b"here\n"
        async with app.hub.admin() as admin:
            assert admin.access is app.hub.access
        # Another console uses the same hub, and ends nothing when it leaves.
        second = ThisMachine(LocalSetup.default())
        assert (await second.access()).address == app.hub.access.address
        assert second.leave() == []
        assert LocalSetup.default().running() == running
    assert LocalSetup.default().running() is None
    assert LocalNode(LocalSetup.default()).pid() is None


async def test_leaving_asks_where_others_lose_something() -> None:
    async with this_machine() as (app, place):
        await asyncio.wait_for(app.hub.connected.wait(), DEADLINE)
        pilot = Pilot(app)
        tunnel = await app.hub.client.open_tunnel(target_port=9, node_id=place.own_node)
        await until(lambda: app.hub.state.tunnels)
        # The second time it is asked already.
        await pilot.press("ctrl+q", "ctrl+q")
        await arrive(app, LeavingQuestion)
        said = " ".join(str(text.content) for text in app.screen.query(Static))
        assert "1 tunnel, with the connections through it" in said
        assert "`omnyshell up --background` serves this hub without a console" in said
        await pilot.press("enter")
        await until(lambda: app.screen is app.overview)
        # Another hub is not gone to either.
        app._hub_chosen(place)
        await arrive(app, LeavingQuestion)
        await pilot.press("escape")
        await until(lambda: app.screen is app.overview)
        assert app.next_place is None
        await app.hub.client.close_tunnel(tunnel.tunnel_id)
        await until(lambda: not app.hub.state.tunnels)
        await pilot.press("ctrl+q")
        await until(lambda: not app.is_running)


class StartsLate(KnownHub):
    """A hub that cannot start at first."""

    def __init__(self, found: HubAccess) -> None:
        super().__init__(found)
        self.tries = 0

    async def access(self) -> HubAccess:
        self.tries += 1
        if self.tries == 1:
            raise ConfigException("cannot write /x: No space left on device")
        return await super().access()


async def test_what_keeps_a_hub_from_starting_is_shown_until_it_starts(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.tui.app.START_PAUSE", 0.3)
    async with OmnyShellHub(hub_config(certificates)) as hub:
        app = ConsoleApp(ConsoleSettings(), StartsLate(access(certificates, hub.port, "admin")))
        async with app.run_test(size=(100, 30)):
            await until(lambda: app.hub.state.link is Link.LOST)
            assert app.hub.state.link_error == "cannot write /x: No space left on device"
            await asyncio.wait_for(app.hub.connected.wait(), DEADLINE)
            await app.hub.close()


async def test_an_own_hub_that_cannot_start_says_why_and_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    place = ThisMachine(LocalSetup.default())
    monkeypatch.setattr(place._node, "start", lambda: None)
    setup = LocalSetup.default()
    setup.prepare_directory()
    (setup.directory / LISTENING_FILE).write_text("damaged")
    (setup.directory / LISTENING_FILE).chmod(0o600)
    with pytest.raises(ConfigException, match="is damaged"):
        await asyncio.wait_for(place.access(), DEADLINE)
    assert place.own_node == ""
    (setup.directory / LISTENING_FILE).unlink()
    try:
        assert (await asyncio.wait_for(place.access(), DEADLINE)).address.host == "localhost"
        assert place.own_node
    finally:
        await asyncio.to_thread(place.leave)


async def test_two_consoles_that_start_at_once_share_one_hub_and_one_node() -> None:
    places = [ThisMachine(LocalSetup.default()) for _ in range(2)]
    try:
        for place in places:
            place.begin()
        found = await asyncio.gather(*(place.access() for place in places))
        assert found[0].address == found[1].address
        await until(lambda: LocalNode(LocalSetup.default()).pid() is not None)
    finally:
        for place in places:
            await asyncio.to_thread(place.leave)
        # The node that came second may begin only now.
        node = LocalNode(LocalSetup.default())
        await until(lambda: node.end(DEADLINE) and not any(place._node._is_starting() for place in places))


async def test_a_console_takes_the_hub_of_one_that_is_left_over() -> None:
    first = ThisMachine(LocalSetup.default())
    first.begin()
    await first.access()
    try:
        async with this_machine() as (app, second):
            assert second._embedded is None
            await asyncio.to_thread(first.leave)
            await until(lambda: second._embedded is not None and app.hub.state.link is Link.UP, DEADLINE)
            running = LocalSetup.default().running()
            assert running is not None
            await until(lambda: [node.is_online for node in app.hub.state.nodes.values()] == [True], DEADLINE)
        assert LocalSetup.default().running() is None
    finally:
        await asyncio.to_thread(first.leave)


async def test_a_hub_is_taken_over_on_its_own_port_when_that_is_free_again() -> None:
    first, second = (ThisMachine(LocalSetup.default()) for _ in range(2))
    first.begin()
    await first.access()
    port = (await second.access()).address.port
    try:
        await asyncio.to_thread(first.leave)
        with socket.create_server(("127.0.0.1", port)):
            second.revive()
            await until(lambda: second._embedded is not None and second._embedded.has_failed)
        second.revive()
        second.revive()
        await until(lambda: LocalSetup.default().running() is not None)
        running = LocalSetup.default().running()
        assert running is not None
        assert running.port == port
    finally:
        await asyncio.to_thread(second.leave)
        await asyncio.to_thread(LocalNode(LocalSetup.default()).end, DEADLINE)


async def test_a_hub_that_goes_and_comes_back(certificates: Certificates, tmp_path) -> None:
    hub = HubProcess(certificates, tmp_path)
    await hub.start()
    try:
        app = ConsoleApp(ConsoleSettings(), RemoteHub(access(certificates, hub.port, "admin")))
        async with app.run_test(size=(100, 30)):
            await until(lambda: app.hub.state.link is Link.UP)
            hub.kill()
            await until(lambda: app.hub.state.link is Link.LOST)
            await until(lambda: "lost" in app.overview.header._link())
            await hub.start()
            await until(lambda: app.hub.state.link is Link.UP and app.hub.client.is_connected, DEADLINE)
    finally:
        hub.kill()


def chosen(**given: object) -> object:
    return chosen_place(argparse.Namespace(**{"local": False, "client_only": False} | given))


def test_which_hub_the_console_is_for(tmp_path) -> None:
    assert isinstance(chosen(), ThisMachine)
    assert chosen(hub="wss://lab.example:8443") is None
    with pytest.raises(ConfigException):
        chosen(hub="wss://lab.example:8443", principal="ann", token_file=str(tmp_path / "none"))
    (tmp_path / "token").write_text("secret")
    given = chosen(hub="wss://lab.example:8443", principal="ann", token_file=str(tmp_path / "token"))
    assert isinstance(given, RemoteHub)
    store = CredentialStore(logins_file())
    store.save(StoredSession(hub="wss://prod.example:8443", principal="ann", token="t", name="prod"))
    assert chosen().label == "wss://prod.example:8443"
    assert chosen(hub="prod").label == "wss://prod.example:8443"
    assert isinstance(chosen(local=True), ThisMachine)
    store.save(StoredSession(hub="wss://other.example:8443", principal="ann", token="t"), make_default=False)
    assert chosen().label == "wss://prod.example:8443"
    store.save(StoredSession(hub="wss://localhost:1", principal="ann", token="t", name="local"))
    assert isinstance(chosen(), ThisMachine)

"""The console over a real hub with real nodes, and what it says."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from support.ports import free_range
from support.settling import settling
from support.stack import Certificates, access, connected_client, hub_config, running_node, until
from textual.pilot import Pilot
from textual.widgets import Static

from omnyshell.ids import PrincipalId
from omnyshell.protocol.messages.admin import (
    PrincipalAdd,
    TokenAdd,
    TokenAdded,
)
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.security.grants import Grant
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.dial import HubAccess
from omnyshell.services.hub.hub import OmnyShellHub
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.hub_places import RemoteHub
from omnyshell.tui.settings import ConsoleSettings
from omnyshell.tui.widgets.field import Field


@asynccontextmanager
async def console(
    certificates: Certificates, tmp_path: Path, *more: str, principal: str = "admin", grants: tuple[Grant, ...] = ()
) -> AsyncIterator[tuple[ConsoleApp, Pilot[int], OmnyShellClient]]:
    """A console that knows node n1, and `more`; and a client beside it."""
    async with (
        AsyncExitStack() as others,
        OmnyShellHub(hub_config(certificates, tunnel_ports=free_range(), grants=grants)) as hub,
        running_node(certificates, hub.port, tmp_path, labels={"allow-roles": "developer"}),
        connected_client(certificates, hub.port) as client,
    ):
        for name in more:
            await others.enter_async_context(running_node(certificates, hub.port, tmp_path / name, node_id=name))
        app = ConsoleApp(ConsoleSettings(), RemoteHub(access(certificates, hub.port, principal)))
        with settling(app):
            async with app.run_test(size=(100, 30)) as pilot:
                await until(lambda: app.overview.nodes.rows.shown and app.hub.connected.is_set())
                yield app, pilot, client


async def fill(pilot: Pilot[int], **values: str) -> None:
    """Fill in fields, each at once, as pasting does."""
    for name, value in values.items():
        await until(lambda name=name: bool(pilot.app.screen.query(f"#{name}")))
        field = pilot.app.screen.query_one(f"#{name}", Field)
        field.focus()
        field.value = value
    await pilot.pause()


async def enrolled(app: ConsoleApp, name: str, role: str) -> HubAccess:
    """How a new principal with a token reaches the hub."""
    async with app.hub.admin() as admin:
        await admin.do(PrincipalAdd(request_id="", principal=name, roles=(role,)))
        token = await admin.ask(TokenAdd(request_id="", principal=name, label="laptop"), TokenAdded)
    return replace(app.hub.access, credentials=TokenCredentialProvider(PrincipalId(name), token.token))


def toasts(app: ConsoleApp) -> str:
    return " ".join(note.message for note in app._notifications)


def complaint(app: ConsoleApp) -> str:
    """What the dialog says is wrong, with a field or with the whole."""
    lines = app.screen.query("#error.-shown, .problem.-shown").results(Static)
    return " ".join(str(line.content) for line in lines)

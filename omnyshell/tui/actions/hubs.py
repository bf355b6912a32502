"""Letting a hub in, and removing one, as an admin (extension `hub-members`)."""

from collections.abc import Iterable

from textual.app import App

from omnyshell.errors import OmnyShellException
from omnyshell.model.live import LiveHub
from omnyshell.printable import printable
from omnyshell.protocol.messages.admin import HubInvite, HubInvited, HubRemove
from omnyshell.services.client.admin import AdminClient
from omnyshell.tui.dialogs.line import LineDialog
from omnyshell.tui.hub_link import HubLink

REMOVING = (
    "It is no member any more: what it says changes nothing, and it opens nothing. Its nodes go to the other hubs. "
    "To come back it has to join anew, with an empty state directory."
)


async def invite(hub: HubLink, name: str) -> LineDialog:
    """Have the hub that founded invite another one; return the dialog that shows its line.

    Raises as `AdminClient.ask` and `HubLink.admin_at` do.
    """
    async with hub.admin() as admin:
        made = await _ask(admin, name)
    if not made.invitation:
        founder = _url_of(made.founder, hub.state.hubs.values())
        async with hub.admin_at(founder) as admin:
            made = await _ask(admin, name)
    if not made.invitation or made.expires_at is None:
        raise OmnyShellException(f"hub '{made.founder}' invites, and does not answer as such")
    until = made.expires_at.astimezone().strftime("%H:%M on %d %B")
    note = (
        f"Good for one hub, once, until {until}, while hub {made.founder} runs. "
        "hub.toml is that machine's own: its certificate, addresses and state directory."
    )
    line = f"omnyshell hub join {made.invitation} --hub-config hub.toml"
    return LineDialog(line, note, f"omnyshell-invite-hub-{name}")


async def remove(app: App[int], hub: HubLink, name: str) -> None:
    """Have a hub be no member any more. Raises as `AdminClient.ask` does."""
    async with hub.admin() as admin:
        done = await admin.do(HubRemove(request_id="", hub=name))
    text = "; ".join(filter(None, (f"hub {name} is no member any more", done.message)))
    app.notify(printable(text), title="Removed", markup=False)


async def _ask(admin: AdminClient, name: str) -> HubInvited:
    return await admin.ask(HubInvite(request_id="", hub=name), HubInvited)


def _url_of(name: str, hubs: Iterable[LiveHub]) -> str:
    return next((hub.url for hub in hubs if hub.hub == name), "")

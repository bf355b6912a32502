"""Inviting and revoking, as an admin (extension `admin`)."""

from textual.app import App

from omnyshell.model.admin import InviteKind
from omnyshell.printable import printable
from omnyshell.protocol.messages.admin import InviteCreate, InviteCreated, PrincipalRevoke
from omnyshell.services.client.invites import join_line
from omnyshell.tui.dialogs.invite import LineDialog
from omnyshell.tui.hub_link import HubLink

NODES_NAMED = 12


async def invite(hub: HubLink, request: InviteCreate) -> LineDialog:
    """Make an invite; returns what shows the line for it. Raises as `AdminClient.ask` does."""
    async with hub.admin() as admin:
        made = await admin.ask(request, InviteCreated)
    who = "person" if request.kind is InviteKind.USER else "machine"
    until = made.expires_at.astimezone().strftime("%H:%M on %d %B")
    note = f"Good for one {who}, once, until {until}. `omnyshell invites revoke {made.invite_id}` takes it back."
    return LineDialog(join_line(request.kind, hub.access.address, made), note)


def what_revoking_ends(hub: HubLink, principal: str) -> str:
    """Return what revoking a principal means: several nodes may log in as the same one, and so may this console."""
    texts = ["Its tokens and keys are removed, and what it has open ends at once."]
    nodes = [node.node_id for node in hub.state.nodes.values() if node.principal == principal]
    if nodes:
        more = f" and {len(nodes) - NODES_NAMED} more" if len(nodes) > NODES_NAMED else ""
        texts.append(f"Nodes that log in as it: {printable(', '.join(nodes[:NODES_NAMED]))}{more}.")
    if principal == hub.principal:
        texts.append("You are logged in as it: this console loses the hub.")
    return " ".join(texts)


async def revoke(app: App[int], hub: HubLink, principal: str) -> None:
    """Remove a principal, and end what it has open. Raises as `AdminClient.ask` does."""
    async with hub.admin() as admin:
        await admin.do(PrincipalRevoke(request_id="", principal=principal))
    app.notify(f"{printable(principal)} may do nothing any more.", title="Revoked", markup=False)

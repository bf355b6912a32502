"""Inviting, revoking, draining, as an admin (extension `admin`)."""

import asyncio
import re
from collections.abc import Collection, Iterable
from contextlib import suppress

from textual.app import App

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.hosts import LOCALHOST
from omnyshell.model.admin import InviteKind
from omnyshell.model.live import LiveHub, LiveNode
from omnyshell.model.principals import ADMIN_ROLE
from omnyshell.printable import printable
from omnyshell.protocol.messages.admin import (
    AuditAcknowledge,
    HubDrain,
    InviteCreated,
    LockAdd,
    NodeRelease,
    PrincipalRevoke,
)
from omnyshell.security.authorized_keys import split_roles
from omnyshell.security.authorizer import ALLOW_ROLES_LABEL
from omnyshell.services.client.admin import AdminClient, AdminRequestException
from omnyshell.services.client.draining import WHY_LEFT, drain as drain_by
from omnyshell.services.client.invites import join_line
from omnyshell.services.local.listen import for_others, listen_from_now_on
from omnyshell.services.local.reach import Reach
from omnyshell.services.local.setup import LocalSetup
from omnyshell.tui.dialogs.invite import WantedInvite
from omnyshell.tui.dialogs.line import LineDialog
from omnyshell.tui.hub_link import HubLink

ACKNOWLEDGING = "The mark goes away for all admins. That you did this is recorded, and the gap stays named for ever."
DRAINING = (
    "Its nodes and clients go to the other hubs, and their sessions go on. "
    "It takes no new ones until d is pressed again. "
    "What is too old to know of that stays until the hub ends."
)
DRAIN_WITHIN = 30
"""Seconds over which a hub hands its peers over."""

DRAIN_WAIT = 15.0
"""Seconds after which those that are still there are told of."""

NODES_NAMED = 12
NOT_FOUND = "not_found"
RELEASE_TRIES, RELEASE_PAUSE = 10, 0.3


def reach(hub: HubLink) -> Reach | None:
    """Return how others reach a hub at a loopback address; None for another one, and where that cannot be told."""
    with suppress(OmnyShellException):
        return Reach.of(LocalSetup.default(), hub.access.address)
    return None


async def invite(hub: HubLink, wanted: WantedInvite) -> LineDialog:
    """Make an invite; return the dialog that shows its line.

    This machine's hub listens where that is wanted before. Raises as `listen_from_now_on` and `AdminClient.ask` do.
    """
    request, setup = wanted.request, LocalSetup.default()
    if wanted.host is not None and wanted.host != LOCALHOST:
        await asyncio.to_thread(listen_from_now_on, setup, wanted.host)
    async with hub.admin() as admin:
        made, address = await admin.ask(request, InviteCreated), admin.address
    kind = InviteKind(request.kind)
    who = "one person, once" if kind is InviteKind.USER else "one machine, once"
    if (request.uses or 1) > 1:
        who = f"{request.uses} machines"
    until = made.expires_at.astimezone().strftime("%H:%M on %d %B")
    note = f"Good for {who}, until {until}. `omnyshell invites revoke {made.invite_id}` takes it back."
    note = " ".join(filter(None, (note, why_blind(request.roles or (), hub.state.nodes.values()))))
    line = join_line(kind, for_others(setup, address), made)
    return LineDialog(line, note, f"omnyshell-invite-{_file_name(request.node_id or request.principal or kind)}")


def why_blind(roles: Collection[str], nodes: Iterable[LiveNode]) -> str:
    """Return a warning about roles that no node lets in; "" where one does, or there is no node or no role yet."""
    lets_in = [split_roles(node.labels.get(ALLOW_ROLES_LABEL, "")) for node in nodes]
    if not roles or not lets_in or ADMIN_ROLE in roles or any(set(named) & set(roles) for named in lets_in):
        return ""
    which = ", ".join(roles)
    return f"No node has {which} in its label {ALLOW_ROLES_LABEL}: without a grant of the hub, who joins sees no node."


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


async def lock(app: App[int], hub: HubLink, request: LockAdd) -> None:
    """Lock something. Raises as `AdminClient.ask` does."""
    async with hub.admin() as admin:
        done = await admin.do(request)
    until = f" until {done.expires_at.astimezone():%H:%M on %d %B}" if done.expires_at is not None else ""
    text = done.message or f"The {request.kind} {request.name} is locked{until}."
    app.notify(printable(text), title="Locked", severity="warning" if done.message else "information", markup=False)


def what_revoking_ends(hub: HubLink, principal: str, node_id: str = "") -> str:
    """Return a text about the effects of revoking a principal.

    Several nodes may log in as it, and so may this console.
    """
    texts = ["Its tokens and keys are removed, and what it has open ends at once."]
    nodes = [node.node_id for node in hub.state.nodes.values() if node.principal == principal]
    if nodes:
        more = f" and {len(nodes) - NODES_NAMED} more" if len(nodes) > NODES_NAMED else ""
        texts.append(f"Nodes that log in as it: {printable(', '.join(nodes[:NODES_NAMED]))}{more}.")
    if node_id:
        texts.append(f"The id {printable(node_id)} becomes free.")
    if principal == hub.principal:
        texts.append("You are logged in as it: this console loses the hub.")
    return " ".join(texts)


async def revoke(app: App[int], hub: HubLink, principal: str, node_id: str = "") -> None:
    """Remove a principal, and end what it has open; then release the node id, if given.

    Raises as `AdminClient.ask` does.
    """
    async with hub.admin() as admin:
        await admin.do(PrincipalRevoke(request_id="", principal=principal))
        app.notify(f"{printable(principal)} may do nothing any more.", title="Revoked", markup=False)
        if node_id:
            await _release(admin, node_id)


async def drain(app: App[int], hub: HubLink, at: LiveHub) -> None:
    """Have one of the hubs hand its peers over, and say who is left. Raises as `draining.drain` and `admin_at` do."""
    name = printable(at.hub)
    text = f"Hub {name} hands its nodes and clients over. d has it take some again."
    app.notify(text, title="Draining", markup=False)
    async with hub.admin_at(at.url) as admin:
        left = await drain_by(admin, DRAIN_WITHIN, DRAIN_WAIT)
    if left:
        text = f"{left} are still at hub {name}: {WHY_LEFT}"
        app.notify(text, title="Not drained", severity="warning", markup=False)
    else:
        app.notify(f"Nobody is at hub {name} any more: it can be stopped.", title="Drained", markup=False)


async def fill(app: App[int], hub: HubLink, at: LiveHub) -> None:
    """Have one of the hubs take nodes and clients again. Raises as `drain` does."""
    async with hub.admin_at(at.url) as admin:
        await admin.do(HubDrain(request_id="", ends=True))
    app.notify(f"Hub {printable(at.hub)} takes nodes and clients again.", title="Drained no more", markup=False)


async def acknowledge(app: App[int], hub: HubLink) -> None:
    """Acknowledge the gaps in the audit trail. Raises as `AdminClient.ask` does."""
    async with hub.admin() as admin:
        await admin.do(AuditAcknowledge(request_id=""))
    app.notify("`omnyshell audit verify` goes on naming it.", title="Acknowledged", markup=False)


def gaps(hub: HubLink) -> list[str]:
    """Return the gaps of the trail that the loaded records report."""
    return list(dict.fromkeys(record.detail for record in hub.state.audit if record.action == "audit.broken"))


async def _release(admin: AdminClient, node_id: str) -> None:
    """Release a node id as soon as its node is disconnected; an id without an owner needs no release."""
    for remaining in reversed(range(RELEASE_TRIES)):
        try:
            await admin.do(NodeRelease(request_id="", node_id=node_id))
        except AdminRequestException as exc:
            if exc.code == NOT_FOUND:
                return
            if exc.code != ErrorCodes.BAD_REQUEST or not remaining:
                raise
            # Still connected: the hub has ended the connection, but the loss is noticed a little later.
            await asyncio.sleep(RELEASE_PAUSE)
        else:
            return

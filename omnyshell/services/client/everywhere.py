"""Sessions on all nodes that one may use, by a question to each."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.ids import PrincipalId
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.protocol.extensions import RIGHTS
from omnyshell.security.authorizer import RoleBasedAuthorizer
from omnyshell.services.client.client import OmnyShellClient

AT_ONCE = 32
"""Nodes that are asked at the same time; a hub allows 64 requests of one client."""


class FoundSessions(NamedTuple):
    """What the nodes answered."""

    sessions: tuple[DetachedSessionInfo, ...]
    """Attached and detached ones, by node and age."""

    silent: tuple[str, ...]
    """The ids of nodes that did not answer: what they have is not known."""

    refused: tuple[str, ...] = ()
    """The ids of nodes where one may not look at them."""


async def sessions_everywhere(
    client: OmnyShellClient,
    nodes: Iterable[NodeDescriptor] | None = None,
    *,
    owner: str | None = "",
    usage: bool = False,
) -> FoundSessions:
    """Ask each of the nodes, or all that are connected; raises as `OmnyShellClient.list_nodes` does.

    The sessions are one's own, or those of `owner`, or for None everybody's; for others it raises also as
    `OmnyShellClient.sessions_of`. `usage` is as in `OmnyShellClient.list_sessions`.

    A hub with `rights` lists the nodes that the principal may use, by roles or grants. Of an older one those are not
    asked that its roles do not reach, as each refusal would be audited. Where one may not look, one has nothing to see.
    """
    known = await client.list_nodes() if nodes is None else nodes
    found: list[DetachedSessionInfo] = []
    silent: list[str] = []
    refused: list[str] = []
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(node_id: str) -> None:
        async with turns:
            try:
                found.extend(await _ask(client, node_id, owner, usage=usage))
            except OmnyShellException as exc:
                if not client.is_connected:
                    raise
                (refused if exc.code == ErrorCodes.NOT_AUTHORIZED else silent).append(node_id)

    await asyncio.gather(*(ask(node.node_id) for node in _usable(client, known)))
    return FoundSessions(
        tuple(sorted(found, key=lambda one: (one.node_id, one.created_at, one.session_id))),
        tuple(sorted(silent)),
        tuple(sorted(refused)),
    )


async def _ask(
    client: OmnyShellClient, node_id: str, owner: str | None, *, usage: bool
) -> tuple[DetachedSessionInfo, ...]:
    if owner == "":
        return await (client.list_sessions(node_id, usage=True) if usage else client.list_sessions(node_id))
    there = client.sessions_of(node_id, owner or "")
    return await (there.list_everyones(usage=usage) if owner is None else there.list(usage=usage))


def _usable(client: OmnyShellClient, known: Iterable[NodeDescriptor]) -> list[NodeDescriptor]:
    if RIGHTS in client.hub_features:
        return list(known)
    welcome = client.identity
    me = Principal(PrincipalId(welcome.principal), frozenset(welcome.roles))
    return [node for node in known if RoleBasedAuthorizer().may_open(me, node.labels, {})]

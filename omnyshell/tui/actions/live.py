"""Actions on sessions and tunnels: the user's own ones as the user, those of others as an admin."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self, TypeVar

from omnyshell.errors import OmnyShellException
from omnyshell.hosts import host_and_port
from omnyshell.ids import short_id
from omnyshell.model.live import LiveSession, session_key
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.protocol.messages.admin import AdminRequest, SessionEnd, TunnelEnd
from omnyshell.services.client.admin import AdminClient
from omnyshell.tui.actions.entries import Entry
from omnyshell.tui.advice import advice
from omnyshell.tui.dialogs.tunnel import TunnelSpec
from omnyshell.tui.formats import exposer_name
from omnyshell.tui.forwards import forwards_of
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.rights import is_admin, is_other

T = TypeVar("T")

AT_ONCE: Final = 8
"""Requests that are sent at the same time, for actions on several items."""

FAILURES_TOLD: Final = 3


class PartlyDoneException(OmnyShellException):
    """An action failed for some of several items; the text says which and why."""


def session_name(hub: HubLink, ref: SessionRef) -> str:
    """Return a description of a session: id, node, what runs in it, and its owner."""
    name = f"{short_id(ref.session_id)} on {ref.node_id}"
    session = hub.state.sessions.get(f"{ref.node_id}/{ref.session_id}")
    if session is None:
        return name
    what = f": {session.command}" if session.command else ""
    return f"{name}{what} ({session.principal})"


def other_holder(hub: HubLink, ref: SessionRef) -> str:
    """Return which other person has a session attached, as far as is known; "" for none."""
    session = hub.state.sessions.get(session_key(ref.node_id, ref.session_id))
    if session is None or session.state is not SessionState.OPEN:
        return ""
    holder = session.taken_by or session.principal
    return holder if is_other(holder, hub.state) else ""


def tunnel_name(hub: HubLink, tunnel_id: str) -> str:
    """Return a description of a tunnel or forward: id, where it is reached, and target."""
    tunnel = hub.state.tunnels.get(tunnel_id)
    if tunnel is None:
        forward = _forward(hub, tunnel_id)
        where = f": {forward.command} on {forward.node_id} ({forward.principal})" if forward is not None else ""
        return short_id(tunnel_id) + where
    target = f"{host_and_port(tunnel.target_host, tunnel.target_port)} on {exposer_name(tunnel.node_id)}"
    return f"{short_id(tunnel_id)}: port {tunnel.public_port} to {target} ({tunnel.principal})"


def is_forward(hub: HubLink, opening_id: str) -> bool:
    """Tell whether an id is that of a forward."""
    return _forward(hub, opening_id) is not None


def _forward(hub: HubLink, session_id: str) -> LiveSession | None:
    return next((found for found in forwards_of(hub.state) if found.session_id == session_id), None)


def detached_of(hub: HubLink) -> list[LiveSession]:
    """Return one's own shells that are attached nowhere, as last known."""
    return [
        session
        for session in hub.state.sessions.values()
        if session.state is SessionState.DETACHED and session.principal == hub.principal
    ]


async def kill_sessions(hub: HubLink, refs: Sequence[SessionRef]) -> None:
    """End sessions and their programs. Raises `PartlyDoneException` after trying all, if some failed."""
    async with _Administration(hub) as admin:
        await _each(refs, lambda ref: _kill(hub, admin, ref), lambda ref: session_name(hub, ref))


async def detach_sessions(hub: HubLink, refs: Sequence[SessionRef]) -> None:
    """Detach sessions from their clients, and leave them running. Raises as `kill_sessions` does."""

    async def detach(ref: SessionRef) -> None:
        await hub.client.sessions_of(ref.node_id, ref.owner).detach(ref.session_id)

    await _each(refs, detach, lambda ref: session_name(hub, ref))


async def open_tunnel(hub: HubLink, spec: TunnelSpec) -> str:
    """Open a tunnel; return its address. Raises as `OmnyShellClient.open_tunnel` does."""
    tunnel = await hub.client.open_tunnel(
        spec.node_id,
        target_port=spec.target_port,
        target_host=spec.target_host,
        public_port=spec.public_port,
        secure=spec.secure,
        protocol=spec.protocol,
    )
    place = host_and_port(tunnel.public_host or hub.access.address.host, tunnel.public_port)
    return f"{place}, for as long as this console runs" if spec.node_id == LOCAL_EXPOSER else place


async def close_tunnels(hub: HubLink, tunnel_ids: Sequence[str]) -> None:
    """Close tunnels and forwards. Raises as `kill_sessions` does."""
    async with _Administration(hub) as admin:

        async def close(tunnel_id: str) -> None:
            forward = _forward(hub, tunnel_id)
            found = hub.state.tunnels.get(tunnel_id) or forward
            is_mine = found is None or found.principal == hub.principal
            if forward is not None:
                end = SessionEnd(request_id="", session_ref=tunnel_id)
                await (hub.client.forwards.close(tunnel_id) if is_mine else admin.do(end))
            elif is_mine:
                await hub.client.close_tunnel(tunnel_id)
            else:
                await admin.do(TunnelEnd(request_id="", tunnel_ref=tunnel_id))

        await _each(tunnel_ids, close, lambda tunnel_id: tunnel_name(hub, tunnel_id))


async def revoke_all(hub: HubLink, chosen: Sequence[Entry]) -> None:
    """Revoke all of these. Raises as `kill_sessions` does."""
    async with _Administration(hub) as admin:
        await _each(chosen, lambda entry: admin.do(entry.revocation()), lambda entry: entry.name)


class _Administration:
    """One admin connection for several requests, opened for the first of them."""

    def __init__(self, hub: HubLink) -> None:
        self._hub = hub
        self._stack = AsyncExitStack()
        self._connecting = asyncio.Lock()
        self._client: AdminClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def do(self, request: AdminRequest) -> None:
        """Send a request. Raises as `AdminClient` does."""
        async with self._connecting:
            if self._client is None:
                self._client = await self._stack.enter_async_context(self._hub.admin())
        await self._client.do(request)


async def _kill(hub: HubLink, admin: _Administration, ref: SessionRef) -> None:
    session = hub.state.sessions.get(f"{ref.node_id}/{ref.session_id}")
    is_shell = session is None or session.mode is SessionMode.SHELL
    owner = session.principal if session is not None else ref.owner or hub.principal
    is_mine = owner == hub.principal
    # An admin ends what a node does not know by its owner, and what is somebody else's at a hub of any version.
    may_administer = hub.state.own is None or is_admin(hub.state)
    if (is_mine and is_shell) or not may_administer:
        await hub.client.sessions_of(ref.node_id, owner).kill(ref.session_id)
        return
    await admin.do(SessionEnd(request_id="", session_ref=ref.session_id, node_id=ref.node_id, principal=owner))


async def _each(items: Sequence[T], act: Callable[[T], Awaitable[None]], name: Callable[[T], str]) -> None:
    """Apply an action to each item, some at a time; failures do not stop the others."""
    gate = asyncio.Semaphore(AT_ONCE)
    failures: list[str] = []

    async def one(item: T) -> None:
        # Taken before the action, as an item that has ended cannot be described any more.
        known_as = name(item)
        async with gate:
            try:
                await act(item)
            except OmnyShellException as exc:
                failures.append(f"{known_as}: {advice(exc)}")

    async with asyncio.TaskGroup() as tasks:
        for item in items:
            tasks.create_task(one(item))
    if failures:
        raise PartlyDoneException(told(failures, len(items)))


def told(failures: Sequence[str], total: int) -> str:
    """Describe the failures among `total` items, a few of them by name."""
    more = f"; and {len(failures) - FAILURES_TOLD} more" if len(failures) > FAILURES_TOLD else ""
    done = f" ({total - len(failures)} of {total} done)" if total > 1 else ""
    return "; ".join(failures[:FAILURES_TOLD]) + more + done

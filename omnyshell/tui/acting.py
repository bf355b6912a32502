"""What is done to sessions and tunnels at the user's word: one's own as oneself, those of others as an admin."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from omnyshell.errors import OmnyShellException
from omnyshell.ids import short_id
from omnyshell.model.sessions import SessionMode
from omnyshell.model.tunnels import LOCAL_EXPOSER, TunnelInfo
from omnyshell.protocol.messages.admin import SessionEnd, TunnelEnd
from omnyshell.tui.dialogs.tunnel import TunnelSpec
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.messages import SessionRef

T = TypeVar("T")


class PartlyDoneException(OmnyShellException):
    """Some of several things could not be done; the text says which and why."""


def session_name(hub: HubLink, ref: SessionRef) -> str:
    """Return how people know a session: id, node, and what runs in it for whom."""
    name = f"{short_id(ref.session_id)} on {ref.node_id}"
    session = hub.state.sessions.get(f"{ref.node_id}/{ref.session_id}")
    if session is None:
        return name
    what = f": {session.command}" if session.command else ""
    return f"{name}{what} ({session.principal})"


def tunnel_name(hub: HubLink, tunnel_id: str) -> str:
    """Return how people know a tunnel: id, where it is and where it leads."""
    tunnel = hub.state.tunnels.get(tunnel_id)
    if tunnel is None:
        return short_id(tunnel_id)
    target = f"{tunnel.target_host}:{tunnel.target_port} on {tunnel.node_id}"
    return f"{short_id(tunnel_id)}: port {tunnel.public_port} to {target} ({tunnel.principal})"


async def kill_sessions(hub: HubLink, refs: Sequence[SessionRef]) -> None:
    """End sessions, and what runs in them. Raises `PartlyDoneException` once all have been tried."""
    await _each(refs, lambda ref: _kill(hub, ref), lambda ref: session_name(hub, ref))


async def detach_sessions(hub: HubLink, refs: Sequence[SessionRef]) -> None:
    """Take sessions from their clients and leave them running. Raises as `kill_sessions` does."""

    async def detach(ref: SessionRef) -> None:
        await hub.client.detach_session(ref.node_id, ref.session_id)

    await _each(refs, detach, lambda ref: session_name(hub, ref))


async def open_tunnel(hub: HubLink, spec: TunnelSpec) -> str:
    """Open a tunnel; returns where it is. Raises as `OmnyShellClient.open_tunnel` does."""
    tunnel = await hub.client.open_tunnel(
        spec.node_id,
        target_port=spec.target_port,
        target_host=spec.target_host,
        public_port=spec.public_port,
        secure=spec.secure,
        protocol=spec.protocol,
    )
    place = f"{_host(hub, tunnel)}:{tunnel.public_port}"
    return f"{place}, for as long as this console runs" if spec.node_id == LOCAL_EXPOSER else place


async def close_tunnels(hub: HubLink, tunnel_ids: Sequence[str]) -> None:
    """Close tunnels. Raises as `kill_sessions` does."""

    async def close(tunnel_id: str) -> None:
        tunnel = hub.state.tunnels.get(tunnel_id)
        if tunnel is None or tunnel.principal == hub.principal:
            await hub.client.close_tunnel(tunnel_id)
            return
        async with hub.admin() as admin:
            await admin.do(TunnelEnd(request_id="", tunnel_ref=tunnel_id))

    await _each(tunnel_ids, close, short_id)


async def _kill(hub: HubLink, ref: SessionRef) -> None:
    session = hub.state.sessions.get(f"{ref.node_id}/{ref.session_id}")
    is_own_shell = session is None or (session.principal == hub.principal and session.mode is SessionMode.SHELL)
    if is_own_shell:
        await hub.client.kill_session(ref.node_id, ref.session_id)
        return
    async with hub.admin() as admin:
        await admin.do(SessionEnd(request_id="", session_ref=ref.session_id))


async def _each(items: Sequence[T], act: Callable[[T], Awaitable[None]], name: Callable[[T], str]) -> None:
    """Do something to each; what fails keeps the others from nothing."""
    failures = []
    for item in items:
        try:
            await act(item)
        except OmnyShellException as exc:
            failures.append(f"{name(item)}: {exc}")
    if failures:
        done = f" ({len(items) - len(failures)} of {len(items)} done)" if len(items) > 1 else ""
        raise PartlyDoneException("; ".join(failures) + done)


def _host(hub: HubLink, tunnel: TunnelInfo) -> str:
    host = tunnel.public_host or hub.access.address.host
    return f"[{host}]" if ":" in host else host

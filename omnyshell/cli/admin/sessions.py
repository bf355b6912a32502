"""`omnyshell hub close-session`: ends anyone's session, attached or not."""

import argparse
import asyncio
from contextlib import suppress

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import say
from omnyshell.cli.live.feed import first_time, live_state
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.model.live import LiveSession, Part
from omnyshell.model.sessions import SessionState
from omnyshell.protocol.messages.admin import SessionEnd
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.client.live.state import HubState
from omnyshell.services.dial import HubAccess

NODES_ANSWER_WITHIN = 3.0
"""Seconds in which nodes report their detached sessions to the hub after a subscription."""


def close_session(options: argparse.Namespace) -> int:
    """End a session, and what runs in it."""
    asyncio.run(_close(access_from(options), options.session))
    say(f"ended session {options.session}")
    return 0


async def _close(access: HubAccess, ref: str) -> None:
    async with AdminClient(access) as admin:
        try:
            await admin.do(SessionEnd(request_id="", session_ref=ref))
        except OmnyShellException as exc:
            if exc.code != "not_found":
                raise
            # Detached sessions do not go through the hub, so it asks their nodes.
            found = await _waiting(access, ref)
            if found is None:
                raise
            await admin.do(
                SessionEnd(
                    request_id="", session_ref=found.session_id, node_id=found.node_id, principal=found.principal
                )
            )


async def _waiting(access: HubAccess, ref: str) -> LiveSession | None:
    """Find a session that is detached on some node. Raises `ConfigException` if several match the reference."""
    async with live_state(access, (Part.SESSIONS,)) as (state, feed):
        await first_time(state, feed)
        changed = asyncio.Event()
        state.subscribe(lambda _: changed.set())
        with suppress(TimeoutError):
            async with asyncio.timeout(NODES_ANSWER_WITHIN):
                while not _matching(state, ref):
                    changed.clear()
                    await changed.wait()
        found = _matching(state, ref)
    if len(found) > 1:
        raise ConfigException(f"several sessions begin with '{ref}'")
    return found[0] if found else None


def _matching(state: HubState, ref: str) -> list[LiveSession]:
    wanted = ref.replace("-", "").lower()
    waiting = (one for one in state.sessions.values() if one.state is SessionState.DETACHED)
    return [one for one in waiting if wanted and one.session_id.replace("-", "").lower().startswith(wanted)]

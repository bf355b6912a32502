"""What became of sessions that were left: which of them can be taken up without taking them from somebody."""

import asyncio
from collections.abc import Collection
from enum import Enum, auto
from typing import Final

from omnyshell.errors import OmnyShellException
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.model.sessions import SessionState
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.everywhere import sessions_everywhere
from omnyshell.tui.messages import SessionRef

LONGEST: Final = 10.0
"""Seconds to wait for all answers."""

AGAIN: Final = 1.0
"""Seconds until sessions that seem to be attached are asked for again: a console that was killed is noticed by then."""


class Verdict(Enum):
    """What is known of a session."""

    FREE = auto()
    """It is attached nowhere."""

    TAKEN = auto()
    """Another client is attached to it."""

    AWAY = auto()
    """Its node is offline; it may live there."""

    GONE = auto()
    UNKNOWN = auto()
    """There was no answer."""


Verdicts = dict[SessionRef, Verdict]


async def judge(client: OmnyShellClient, refs: Collection[SessionRef], *, again: float = AGAIN) -> Verdicts:
    """Return what is known of each; those that seem to be attached are asked for twice."""
    found = await _judge(client, refs)
    taken = [ref for ref, verdict in found.items() if verdict is Verdict.TAKEN]
    if taken:
        await asyncio.sleep(again)
        found |= await _judge(client, taken)
    return found


async def _judge(client: OmnyShellClient, refs: Collection[SessionRef]) -> Verdicts:
    try:
        async with asyncio.timeout(LONGEST):
            return await _ask(client, refs)
    except (OmnyShellException, TimeoutError):
        return dict.fromkeys(refs, Verdict.UNKNOWN)


async def _ask(client: OmnyShellClient, refs: Collection[SessionRef]) -> Verdicts:
    wanted = {ref.node_id for ref in refs}
    nodes = await _online(client, wanted)
    found = await sessions_everywhere(client, nodes.values())
    # A node that has no connection has no sessions either, as the hub answers: it must have been there all the while.
    stayed = nodes.keys() & (await _online(client, wanted)).keys()
    states = {(info.node_id, info.session_id): info.state for info in found.sessions}

    def verdict(ref: SessionRef) -> Verdict:
        if ref.node_id not in stayed:
            return Verdict.AWAY
        if ref.node_id in found.silent:
            return Verdict.UNKNOWN
        state = states.get((ref.node_id, ref.session_id))
        if state is None:
            return Verdict.GONE
        return Verdict.FREE if state is SessionState.DETACHED else Verdict.TAKEN

    return {ref: verdict(ref) for ref in refs}


async def _online(client: OmnyShellClient, wanted: Collection[str]) -> dict[str, NodeDescriptor]:
    return {node.node_id: node for node in await client.list_nodes() if node.node_id in wanted}

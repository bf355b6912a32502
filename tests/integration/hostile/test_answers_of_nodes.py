"""A node that answers a real hub what no node may answer, and those who have the hub ask it."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.declarations import every_message
from support.hostile import UUID, at_once, body, changing, hostile_values, leaves, replaced, saturated
from support.hostile_hub import Alter, honest
from support.hostile_node import HostileNode, hostile_node
from support.hub_process import HubProcess
from support.node_askers import ASKED_BY, INSTEAD, PROGRAMS, Asker, askers
from support.stack import Certificates, access, until
from support.victim import PATIENCE, RUNS_BY_NAME, SHORTLY, Victim, reads

from omnyshell.cli.live.feed import live_state
from omnyshell.model.live import Part
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.base import Way
from omnyshell.protocol.messages.events import NodeLiveSessionsResponse
from omnyshell.protocol.messages.places import NodePlaceResponse
from omnyshell.protocol.messages.vitals import NodeVitalsResponse

UNASKED = (m.NodeRegister, m.NodeCapabilitiesMessage, m.NodeHeartbeat)
"""What a node says by itself; `test_nodes.py` has that."""

TOLD_SUBSCRIBERS = (NodeLiveSessionsResponse, NodeVitalsResponse)
"""What a hub asks for in its own time, while somebody is subscribed."""

TOLD_HUBS = (NodePlaceResponse,)
"""What a hub asks for that is one of several; `test_place_questions.py` has that."""

ANSWERS = (*ASKED_BY, *PROGRAMS)


def test_every_answer_of_a_node_is_asked_for_by_somebody() -> None:
    answers = {each for each in every_message() if each.WAY in (Way.NODE_TO_HUB, Way.EXPOSER_TO_HUB)}
    assert answers - {*UNASKED} <= {*ANSWERS, *TOLD_SUBSCRIBERS, *TOLD_HUBS}


Change = Callable[[dict[str, Any]], dict[str, Any]]
"""What becomes of an answer."""


class Attack:
    """One answer, spoilt in every way, to those who have the hub ask for it."""

    def __init__(self, node: HostileNode, declared: type[ControlMessage]) -> None:
        self._node = node
        self._declared = declared
        self._whole = body(declared)
        self._was_unheard = False
        if declared in INSTEAD:
            node.instead = {INSTEAD[declared]: declared}

    def leave(self, asker: Asker) -> None:
        """Answer as an honest node does."""
        self._node.alter = honest
        self._ask(asker, "honest", DEADLINE)

    def saturate(self, asker: Asker) -> None:
        """Say a text, a number and a time wherever one may stand."""
        for values in at_once(list(changing(self._declared, self._whole))):
            self._spoil(asker, partial(_saturated, self._declared, values), str(values)[:100])

    def replace(self, asker: Asker) -> None:
        """Say two hostile values in each place."""
        for place, field in leaves(self._declared):
            for value in (*hostile_values(field),)[:2]:
                self._spoil(asker, partial(replaced, place=place, value=value), (place, str(value)[:40]))

    def _spoil(self, asker: Asker, change: Change, what: object) -> None:
        said = change(self._whole)
        is_heard = said.get("requestId") == self._whole.get("requestId") and reads(self._declared, said) is None
        if not is_heard and self._was_unheard:
            # `test_nodes.py` says all that a hub cannot read; who asked waits for each in the same way.
            return
        self._node.alter = lambda kind, whole: change(whole) if kind is self._declared else whole
        if is_heard:
            self._ask(asker, what, PATIENCE)
        else:
            self._was_unheard = True
            asker.run((self._declared.TYPE, what), waits=SHORTLY)

    def _ask(self, asker: Asker, what: object, waits: float) -> None:
        self._node.answered.clear()
        asker.run((self._declared.TYPE, what), waits=waits)
        assert self._declared in self._node.answered, what


def _saturated(declared: type[ControlMessage], values: tuple[Any, ...], whole: dict[str, Any]) -> dict[str, Any]:
    return saturated(declared, whole, *values)


@pytest.mark.parametrize("declared", ANSWERS, ids=lambda declared: declared.TYPE)
def test_no_answer_of_a_node_does_harm(
    hub: HubProcess, admin: Path, certificates: Certificates, declared: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with hostile_node(certificates, hub.port) as node:
        attack = Attack(node, declared)
        asking = askers(declared, access(certificates, hub.port, "admin"), capfd, admin)
        for asker in asking:
            attack.leave(asker)
            attack.saturate(asker)
        attack.replace(asking[0])
        # The hub asked it to the end: one that is given up attacks nobody.
        attack.leave(asking[0])


def spoilt_sessions() -> dict[str, dict[str, Any]]:
    """Sessions with one hostile value each, as far as a hub can read them, by ids of their own."""
    told: dict[str, dict[str, Any]] = {}
    for place, field in leaves(DetachedSessionInfo):
        for value in hostile_values(field):
            id_ = f"{len(told):08x}{UUID[8:]}"
            each = replaced(body(DetachedSessionInfo, sessionId=id_, ownerUserId="admin"), place, value)
            if reads(NodeLiveSessionsResponse, {"requestId": "1", "sessions": [each]}) is None:
                told[id_] = each
    return told


def telling(values: tuple[Any, ...], sessions: Iterable[dict[str, Any]]) -> Alter:
    """Say these values of the machine, and that it has these sessions."""

    def alter(kind: type[ControlMessage], whole: dict[str, Any]) -> dict[str, Any]:
        if kind is NodeVitalsResponse:
            return saturated(kind, whole, *values)
        return whole | {"sessions": [*sessions]} if kind is NodeLiveSessionsResponse else whole

    return alter


async def test_nothing_that_subscribers_are_told_does_harm(
    hub: HubProcess, admin: Path, certificates: Certificates, capfd: pytest.CaptureFixture[str]
) -> None:
    """It takes a second or two, as a hub asks all nodes at once, but not more often."""
    sessions = spoilt_sessions()
    # Whose it is nobody knows, or in what state it is, nobody is told of.
    shown = {id_ for id_, each in sessions.items() if each["ownerUserId"] and each["state"] == "detached"}
    assert len(shown) > len(sessions) / 2
    async with live_state(access(certificates, hub.port, "admin"), Part) as (state, feed):
        feed.look(looks=True)
        with ExitStack() as stack:
            nodes = {}
            for number, values in enumerate(at_once(list(changing(NodeVitalsResponse, body(NodeVitalsResponse))))):
                alter = telling(values, () if number else sessions.values())
                nodes[f"n{number}"] = stack.enter_context(hostile_node(certificates, hub.port, alter, f"n{number}"))
            await until(lambda: all({*TOLD_SUBSCRIBERS} <= {*node.answered} for node in nodes.values()))
            await until(lambda: shown <= {each.session_id for each in state.sessions.values()})
            await until(lambda: all(state.nodes[node_id].vitals is not None for node_id in nodes))
            for name in ("top", "events", "events --json"):
                command, as_json = RUNS_BY_NAME[name]
                assert await asyncio.to_thread(Victim(command, capfd, admin, as_json=as_json).run) == 0

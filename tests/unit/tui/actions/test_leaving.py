"""What is said when a console is left whose hub others use."""

from types import SimpleNamespace
from typing import Any

import pytest
from support.console import NOW
from support.in_one_test import in_one_test

from omnyshell.model.live import LiveNode, NodePresence, Scope
from omnyshell.protocol.messages.events import EventsSnapshot
from omnyshell.services.client.live.state import HubState
from omnyshell.tui.actions.leaving import nodes_that_wait, what_leaving_ends


def knowing(*online: str) -> HubState:
    state = HubState()
    nodes = tuple(LiveNode(node_id=name, state=NodePresence.ONLINE) for name in online)
    state.apply(EventsSnapshot(subscription_id="s", seq=1, at=NOW, scope=Scope.ALL, first=True, last=True, nodes=nodes))
    return state


@in_one_test(
    ("own", "online", "said"),
    [
        ("here", ("here",), []),
        ("", ("here", "far"), []),
        ("here", ("here", "far"), ["1 other node waits until this hub is back"]),
        ("here", ("here", "far", "b"), ["2 other nodes wait until this hub is back"]),
    ],
)
def test_nodes_that_wait_are_told(own: str, online: tuple[str, ...], said: list[str]) -> None:
    rest = ": `omnyshell up --background` serves it without a console."
    assert nodes_that_wait(own, knowing(*online)) == [text + rest for text in said]


@pytest.mark.parametrize(("own", "is_plain", "running", "commands"), [("", True, 2, 3), ("here", False, 0, 0)])
def test_commands_that_cannot_be_detached_end(own: str, running: int, commands: int, *, is_plain: bool) -> None:
    attachment = SimpleNamespace(session=SimpleNamespace(id="s"), is_plain=is_plain)
    pane: Any = SimpleNamespace(node_id="here", attachment=attachment)
    ends = what_leaving_ends(own, knowing("here"), [pane], running)
    assert (ends.commands, ends.is_nothing) == (commands, not commands)
    if commands:
        assert ends.lines() == ["3 commands that cannot be detached"]

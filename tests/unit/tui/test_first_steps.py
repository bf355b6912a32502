"""What is said where there is nothing yet."""

from support.console import StillClock, node, say, snapshot
from support.in_one_test import in_one_test

from omnyshell.model.admin import RightInfo
from omnyshell.model.live import NodePresence, OwnRights
from omnyshell.services.client.live.state import HubState
from omnyshell.tui.first_steps import towards_shell, towards_terminal

ADMIN = OwnRights(principal="root", roles=("admin",))
VIEWER = OwnRights(principal="ann", roles=("viewer",))
NO_SHELL = RightInfo(right="shell", allowed=False, why="no grant gives it", needed=("ops",))


@in_one_test(
    ("own", "nodes", "said"),
    [
        (ADMIN, [], "No nodes yet. Press i among the nodes to invite one."),
        (None, [], "No nodes yet. Press i among the nodes to invite one."),
        (VIEWER, [], "There is no node that you may use."),
        (ADMIN, [node("web-1")], "Press o on a node"),
        (VIEWER, [node("web-1", denied=(NO_SHELL,))], "You may not open or take up shells on web-1"),
        (ADMIN, [node("web-1", state=NodePresence.OFFLINE)], "No node is online."),
    ],
)
def test_the_way_to_a_shell_is_the_next_step_that_can_be_taken(own: OwnRights | None, nodes: list, said: str) -> None:
    state = HubState(StillClock())
    told = snapshot(nodes)
    told.own = own
    say(state, told)
    assert towards_shell(state).startswith(said)
    assert towards_terminal(state).endswith(towards_shell(state))

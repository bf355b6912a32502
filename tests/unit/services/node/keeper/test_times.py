"""How long a node waits for its keeper, beside how long that may take."""

from omnyshell.keeper.upgrade import PATIENCE, TRIAL_TIME
from omnyshell.services.node.keeper.client import PROMPT, UPGRADE_TIME


def test_a_node_waits_for_all_that_an_upgrade_may_take() -> None:
    """What gives up before goes on without its sessions, which wait in the keeper."""
    assert UPGRADE_TIME >= TRIAL_TIME + PATIENCE + 2 * PROMPT

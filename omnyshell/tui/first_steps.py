"""What to do where there is nothing yet: how one comes to a node, and to a shell on it."""

from omnyshell.tui.keys import Context, label_of
from omnyshell.tui.rights import HubSays, Need, is_admin, why_nowhere


def towards_node(says: HubSays) -> str:
    """Return how one comes to a node, where there is none."""
    if says.own is not None and not is_admin(says):
        return "There is no node that you may use. An admin of this hub gives rights on nodes."
    return f"No nodes yet. Press {label_of(Context.NODES, 'invite')} among the nodes to invite one."


def towards_shell(says: HubSays) -> str:
    """Return how one comes to a shell."""
    if not says.nodes:
        return towards_node(says)
    if why := why_nowhere(Need.SHELL, says):
        return why
    if not any(node.is_online for node in says.nodes.values()):
        return "No node is online. Shells open on nodes that are."
    return f"Press {label_of(Context.NODES, 'shell')} on a node: a shell opens here."


def towards_terminal(says: HubSays) -> str:
    """Return how one comes to a terminal."""
    return f"No terminal yet: {label_of(Context.EVERYWHERE, 'show-overview')} leads to the nodes. {towards_shell(says)}"

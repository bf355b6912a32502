"""Which keys of the table have an effect on a screen, and doing what one does."""

from inspect import isawaitable
from typing import Any

from textual.actions import parse
from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen

from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context, Key, keys_of
from omnyshell.tui.tasks import refuse

Active = dict[Key, DOMNode]
"""The keys in the table's order, each with whose action it is."""


def active_keys(screen: Screen[Any]) -> Active:
    """Return the keys that have an effect where the focus is, those too that only say why they have none.

    A screen says by `AFTER_LEADER` which ones follow its leader. Those of the app have one everywhere.
    """
    # Several contexts have the same key for actions of the same name: text and explanation distinguish them.
    active = {
        (bound.binding.key, bound.binding.action, bound.binding.description, bound.binding.tooltip): bound.node
        for bound in screen.active_bindings.values()
    }
    found: Active = {}
    for key in keys_of(*Context):
        places = ((name, key.action, key.text, key.more) for name in key.keys.split(","))
        node = next((active[place] for place in places if place in active), None)
        if node is None and key.context in getattr(screen, "AFTER_LEADER", ()):
            node = screen
        if node is None and key.context is Context.EVERYWHERE:
            node = screen.app
        if node is not None:
            found[key] = node
    return found


async def do_key(key: Key, node: DOMNode | App[Any]) -> None:
    """Do what a key does, without asking whether it would be heeded now; or say why the user may not."""
    if isinstance(node, Judged) and (why := node.refusal(key.action)):
        refuse(node, why)
        return
    _, name, parameters = parse(key.action)
    result = getattr(node, f"action_{name}")(*parameters)
    if isawaitable(result):
        await result

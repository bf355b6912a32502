"""What is to be seen to of several hubs, in words that the command line and the console share."""

from collections.abc import Iterable, Sequence

from omnyshell.printable import printable

MOST_NAMED = 5


def too_old(hub: str, change: int) -> str:
    """Say that a hub has stopped at a change that it does not know; `hub` is "" for the one that says it."""
    who = f"hub {printable(hub)}" if hub else "this hub"
    return f"{who} is too old for change {change}, and applies nothing from there on: upgrade it"


def unproven(hub: str, nodes: Sequence[str]) -> str:
    """Say that a hub claims nodes without the proof that is to be had."""
    return f"hub {printable(hub)} has no proof that it has {_some(nodes)}: see docs/cluster.md, what to watch"


def unreached(hubs: Iterable[str]) -> str:
    """Say that hubs have told nobody where they are."""
    return f"no node or client of another hub can go to {', '.join(map(printable, hubs))}: set public-url there"


def _some(names: Sequence[str]) -> str:
    """Return a few names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(printable, names[:MOST_NAMED])) + more

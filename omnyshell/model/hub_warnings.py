"""What is to be seen to of several hubs, in words that the command line and the console share."""

from collections.abc import Iterable, Sequence

from omnyshell.durations import format_duration
from omnyshell.printable import printable

MOST_NAMED = 5

AUTHORITY = "certificate-authority"
"""What hubs compare of their certificates, beside files of their own."""


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


def of_another_authority(hubs: Iterable[str]) -> str:
    """Say that the certificates of hubs are of another authority than the one of the hub that says it."""
    who = ", ".join(map(printable, hubs))
    why = "nodes and clients that trust one of them alone do not go from one to the other when a hub ends"
    return f"the certificate of {who} is of another authority than this hub's: {why}"


def unlinked(hubs: Iterable[str]) -> str:
    """Say that there is no link with hubs that serve."""
    why = "unless one has just ended, one of the two needs `links`, and no firewall between"
    return f"no link with {', '.join(map(printable, hubs))}, so nodes there are not reached from this hub: {why}"


def removed() -> str:
    """Say that the hub that says it is no member any more."""
    return "this hub was removed by another one, and opens nothing: `omnyshell cluster leave` makes it one alone"


def unheard(hub: str) -> str:
    """Say that a hub is a member and has said nothing yet."""
    return f"hub {printable(hub)} has joined, and was not heard of yet: start it there"


def quiet(hub: str, seconds: float) -> str:
    """Say that a hub has not said for a while that it is there, and that its nodes are not free yet."""
    return f"hub {printable(hub)} is silent for {format_duration(seconds)}: was it stopped, or cut off?"


def silent(hub: str, seconds: float) -> str:
    """Say that a hub was last heard of so long ago that its nodes are free."""
    lost = f"`omnyshell cluster remove {printable(hub)}` if it is lost for good"
    return f"hub {printable(hub)} was last heard of {format_duration(seconds)} ago: start it again, or {lost}"


def ahead_or_behind(seconds: float) -> str:
    """Return by how much a clock is wrong, as `2d ahead of`."""
    # To the minute where it is more than some: a beat is a moment on its way.
    away = abs(seconds) if abs(seconds) < 600 else 60 * round(abs(seconds) / 60)
    return f"{format_duration(away)} {'ahead of' if seconds > 0 else 'behind'}"


def clock_off(hub: str, seconds: float) -> str:
    """Say that the clock of a hub's machine is not that of most; `hub` is "" for the engine."""
    whose, others = (f"hub {printable(hub)}", "the others'") if hub else ("the engine's leader", "the hubs'")
    return f"the clock of {whose} is {ahead_or_behind(seconds)} {others}: set it right there"


def clocks_differ() -> str:
    """Say that nobody knows which clock is right."""
    return "the clocks of the hubs and the engine differ, and none is that of most: set them right"


def _some(names: Sequence[str]) -> str:
    """Return a few names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(printable, names[:MOST_NAMED])) + more

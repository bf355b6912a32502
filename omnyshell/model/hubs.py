"""Other hubs, as one tells its peers of them (docs/extensions.md#hubs)."""

from typing import Annotated

from omnyshell.model.grammars import HUB_URL, WEIGHT
from omnyshell.model.schema import WireObject

MOST_HUBS = 64
"""Of how many hubs a peer takes note."""

USUAL_WEIGHT, MOST_WEIGHT = 100, 1000


class OtherHub(WireObject, kw_only=True):
    """A hub that serves the same nodes and clients."""

    url: Annotated[str, HUB_URL]
    """Where it is reached."""

    weight: Annotated[int, WEIGHT] = USUAL_WEIGHT
    """How many come to it, beside the weights of others; with 0 only who finds no other one."""

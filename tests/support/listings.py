"""Lists of nodes as a hub makes them, without its turns."""

from omnyshell.protocol.messages import NodeListResponse
from omnyshell.services.hub.nodes.listing import Steps


def made_at_once(steps: Steps) -> NodeListResponse:
    """Take all steps."""
    while True:
        try:
            next(steps)
        except StopIteration as made:
            answer: NodeListResponse = made.value
            return answer

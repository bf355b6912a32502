"""What is said of how a hub stands that is one of several, and what the log has where that changes."""

import logging

from omnyshell.services.hub.cluster.places.leases import Standing

STALE = (
    "This hub has been out of touch with the others for {seconds:.0f} s, and cannot know who may still log in: "
    "log in at another one, or try again"
)
NO_LEASE = "this hub is not in touch with the others: try another one, or again"
REMOVED = "this hub was removed from among the others, and opens nothing any more: go to another one"

logger = logging.getLogger("omnyshell.cluster")


def log_standing(standing: Standing, *, is_removed: bool, is_stopping: bool) -> None:
    """Log how a hub stands from now on; that one which stops has no lease any more is no trouble."""
    if standing is Standing.HELD:
        logger.info("this hub serves: it is in touch with the others")
    elif standing is Standing.ENGINE_AWAY:
        logger.warning("the engine is away: this hub goes on with the nodes that it has")
    elif is_removed:
        logger.error("this hub opens nothing any more: another one has removed it (docs/cluster.md#losing-a-hub)")
    elif not is_stopping:
        logger.error("this hub opens nothing: its lease has ended")

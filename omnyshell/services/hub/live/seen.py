"""What a viewer sees of an item, whichever hub tells of it. What is returned is the caller's."""

from typing import TypeVar

from msgspec.structs import replace

from omnyshell.errors import ErrorCodes
from omnyshell.model.live import LiveHub, LiveItem, LiveNode, LiveSession
from omnyshell.model.sessions import SessionState
from omnyshell.services.hub.inventory.inventory import unknown
from omnyshell.services.hub.live.viewer import Viewer

T = TypeVar("T", bound=LiveItem)


def seen_session(item: LiveSession, viewer: Viewer) -> LiveSession:
    """Return a session as the viewer may see it; as gone where it may not, or not any more."""
    if viewer.sees_session(item.principal, item.node_id):
        return viewer.shown(item)
    return LiveSession(
        session_id=item.session_id,
        node_id=item.node_id,
        principal=item.principal,
        mode=item.mode,
        state=SessionState.CLOSED,
        created_at=item.created_at,
        gone=True,
        reason=ErrorCodes.NOT_AUTHORIZED.value,
    )


def seen_node(item: LiveNode, viewer: Viewer, hub_labels: dict[str, str]) -> LiveNode:
    """Return another hub's node as the viewer may see it; as gone where it may not, or is no admin and it is away.

    `hub_labels` are those that this hub knows for it.
    """
    if viewer.is_admin:
        seen = replace(item, hub_labels=hub_labels)
    elif item.is_online and viewer.knows(item.node_id):
        seen = LiveNode(
            node_id=item.node_id,
            state=item.state,
            uid=item.uid,
            display_name=item.display_name,
            platform=item.platform,
            labels=item.labels,
            capabilities=item.capabilities,
            hub=item.hub,
        )
    else:
        return unknown(item.node_id)
    if viewer.hears_rights and seen.is_online:
        seen.denied = viewer.denied(item.node_id)
    return seen


def seen_hub(item: LiveHub, viewer: Viewer) -> LiveHub:
    """Return a hub as the viewer may see it: who is no admin sees which there are, and how old what they tell is."""
    if viewer.is_admin:
        return item
    return LiveHub(hub=item.hub, own=item.own, is_told=item.is_told, known_at=item.known_at)


def told_hubs(item: T, viewer: Viewer) -> T:
    """Return an item without the hub at which it is, for a viewer that did not announce that it knows of hubs."""
    if viewer.hears_hubs or isinstance(item, LiveHub) or not item.hub:
        return item
    return replace(item, hub="", **({"epoch": 0} if isinstance(item, LiveNode) else {}))

"""How a peer trades an invite's token for an enrolled key (docs/extensions.md#joining)."""

from typing import Annotated, ClassVar

from omnyshell.model.admin import InviteKind
from omnyshell.model.grammars import NODE_ID, PRINCIPAL, ROLES, SETTINGS
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.protocol.messages.base import ControlMessage, Way


class JoinRequest(ControlMessage, kw_only=True):
    """Trades an invite's token for an enrolled key, in place of a login."""

    TYPE: ClassVar[str] = "join.request"
    WAY: ClassVar[Way] = Way.PEER_TO_HUB

    token: Annotated[str, ANSWERED]
    """The invite's secret."""

    public_key: Annotated[str, ANSWERED]
    """The Ed25519 key to enrol, in base64."""

    signature: Annotated[str, ANSWERED]
    """What that key signed, in base64."""

    node_id: Annotated[str | None, OMIT, ANSWERED] = None
    """The id that the node requires."""

    suggested_id: Annotated[str | None, OMIT, ANSWERED] = None
    """The id that the node gets where neither `nodeId` nor the invite names one."""

    host: Annotated[str | None, OMIT, ANSWERED] = None
    """Of `auth-bind-2`: the host that was dialled, as it was signed."""

    port: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `auth-bind-2`: the port that was dialled."""


class JoinAccepted(ControlMessage, kw_only=True):
    """The key is enrolled: connect again and log in with it."""

    TYPE: ClassVar[str] = "join.accepted"
    WAY: ClassVar[Way] = Way.HUB_TO_PEER

    kind: InviteKind
    """Whom the invite was for."""

    principal: Annotated[str, PRINCIPAL]
    """As whom the key logs in."""

    roles: Annotated[tuple[str, ...], ROLES] = ()
    """Its roles."""

    node_id: Annotated[str | None, OMIT, NODE_ID] = None
    """The node's id, for an invite of kind `node`."""

    labels: Annotated[dict[str, str], SETTINGS] = {}
    """The node's labels."""


class JoinRefused(ControlMessage, kw_only=True):
    """The token is valid, but the request cannot be met; the invite is not used up."""

    TYPE: ClassVar[str] = "join.refused"
    WAY: ClassVar[Way] = Way.HUB_TO_PEER

    reason: Annotated[str, FREE]
    """Why, as a code."""

    message: Annotated[str, FREE] = ""
    """Why, in words."""

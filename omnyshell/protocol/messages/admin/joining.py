"""How a peer trades an invite's token for an enrolled key (docs/extensions.md#invites-and-joining)."""

from typing import Annotated, ClassVar

from omnyshell.model.admin import InviteKind
from omnyshell.model.grammars import NODE_ID, PRINCIPAL, ROLES, SETTINGS
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.protocol.messages.base import ControlMessage


class JoinRequest(ControlMessage, kw_only=True):
    """Trades an invite's token for an enrolled key, in place of a login.

    `host` and `port` belong to the extension `auth-bind-2`.
    """

    TYPE: ClassVar[str] = "join.request"

    token: Annotated[str, ANSWERED]
    public_key: Annotated[str, ANSWERED]
    signature: Annotated[str, ANSWERED]
    node_id: Annotated[str | None, OMIT, ANSWERED] = None
    suggested_id: Annotated[str | None, OMIT, ANSWERED] = None
    host: Annotated[str | None, OMIT, ANSWERED] = None
    port: Annotated[int | None, OMIT, ANSWERED] = None


class JoinAccepted(ControlMessage, kw_only=True):
    """The key is enrolled: connect again and log in with it."""

    TYPE: ClassVar[str] = "join.accepted"

    kind: InviteKind
    principal: Annotated[str, PRINCIPAL]
    roles: Annotated[tuple[str, ...], ROLES] = ()
    node_id: Annotated[str | None, OMIT, NODE_ID] = None
    labels: Annotated[dict[str, str], SETTINGS] = {}


class JoinRefused(ControlMessage, kw_only=True):
    """The token is real and cannot be used so; the invite stays as it is."""

    TYPE: ClassVar[str] = "join.refused"

    reason: Annotated[str, FREE]
    message: Annotated[str, FREE] = ""

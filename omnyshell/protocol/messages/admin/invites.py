"""Invites, by which machines and users join (docs/extensions.md#invites-and-joining)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import InviteInfo
from omnyshell.model.grammars import FINGERPRINT, ID, SECRET
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.messages.admin.base import AdminRequest

DEFAULT_INVITE_TTL = 900


class InviteCreate(AdminRequest, kw_only=True):
    """Makes a token that lets a node, or a user, join once."""

    TYPE: ClassVar[str] = "admin.invite.create"
    FLEET: ClassVar[tuple[str, ...]] = ("uses", "id_prefix")
    ENDS: ClassVar[tuple[str, ...]] = ("role_ttl_seconds", "key_ttl_seconds")

    kind: Annotated[str, ANSWERED]
    """An `InviteKind`; a hub answers what it does not know."""

    node_id: Annotated[str | None, OMIT, ANSWERED] = None
    principal: Annotated[str | None, OMIT, ANSWERED] = None
    display_name: Annotated[str, OMIT, ANSWERED] = ""
    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    labels: Annotated[dict[str, str], ANSWERED] = {}
    ttl_seconds: Annotated[int, ANSWERED] = DEFAULT_INVITE_TTL
    role_ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    key_ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    uses: Annotated[int | None, OMIT, ANSWERED] = None
    """How many machines can join by it, each as a node of its own."""

    id_prefix: Annotated[str | None, OMIT, ANSWERED] = None


class InviteCreated(AdminRequest, kw_only=True):
    """A join token, which the hub says once and keeps as a hash."""

    TYPE: ClassVar[str] = "admin.invite.created"

    invite_id: Annotated[str, ID]
    token: Annotated[str, SECRET]
    expires_at: datetime
    ca_fingerprint: Annotated[str, FINGERPRINT]


class InvitesRequest(AdminRequest, kw_only=True):
    """Asks for the invites that can still be used."""

    TYPE: ClassVar[str] = "admin.invites.request"


class InvitesResponse(AdminRequest, kw_only=True):
    """The invites, oldest first."""

    TYPE: ClassVar[str] = "admin.invites.response"

    invites: tuple[InviteInfo, ...] = ()


class InviteRevoke(AdminRequest, kw_only=True):
    """Makes an invite useless."""

    TYPE: ClassVar[str] = "admin.invite.revoke"

    invite_id: Annotated[str, ANSWERED]

"""Invites, by which machines and users join (docs/extensions.md#invites-and-joining)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import InviteInfo
from omnyshell.model.grammars import COUNT, FINGERPRINT, ID, SECRET
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.messages.admin.base import AdminRequest
from omnyshell.protocol.messages.base import Way

DEFAULT_INVITE_TTL = 900


class InviteCreate(AdminRequest, kw_only=True):
    """Makes a token that lets a node, or a user, join."""

    TYPE: ClassVar[str] = "admin.invite.create"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    FLEET: ClassVar[tuple[str, ...]] = ("uses", "id_prefix")
    ENDS: ClassVar[tuple[str, ...]] = ("role_ttl_seconds", "key_ttl_seconds")

    kind: Annotated[str, ANSWERED]
    """`node` or `user`."""

    node_id: Annotated[str | None, OMIT, ANSWERED] = None
    """For a node: the id that it gets."""

    principal: Annotated[str | None, OMIT, ANSWERED] = None
    """For a user: its name."""

    display_name: Annotated[str, OMIT, ANSWERED] = ""
    """For a user: its name for people."""

    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    """For a user: the roles that it gets."""

    labels: Annotated[dict[str, str], ANSWERED] = {}
    """For a node: its labels, and the hub's ceiling."""

    ttl_seconds: Annotated[int, ANSWERED] = DEFAULT_INVITE_TTL
    """For how long the token can be used, up to 30 days."""

    role_ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `admin-ends`: for how long the roles are given, from the join on."""

    key_ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `admin-ends`: for how long the key that joins can be used."""

    uses: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `fleet-invites`: how many machines can join by it, each as a node of its own; one where it is missing."""

    id_prefix: Annotated[str | None, OMIT, ANSWERED] = None
    """Of `fleet-invites`: what the ids of those machines begin with."""


class InviteCreated(AdminRequest, kw_only=True):
    """A join token, which the hub sends once, and stores as a hash."""

    TYPE: ClassVar[str] = "admin.invite.created"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    invite_id: Annotated[str, ID]
    """What the invite is called in other requests."""

    token: Annotated[str, SECRET]
    """The secret, which is sent this once."""

    expires_at: datetime
    """When it can no longer be used."""

    ca_fingerprint: Annotated[str, FINGERPRINT]
    """The certificate that a peer which joins has to find in the hub's chain."""


class InvitesRequest(AdminRequest, kw_only=True):
    """Asks for the invites that can still be used."""

    TYPE: ClassVar[str] = "admin.invites.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class InvitesResponse(AdminRequest, kw_only=True):
    """The invites, oldest first."""

    TYPE: ClassVar[str] = "admin.invites.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "invites"

    invites: tuple[InviteInfo, ...] = ()
    """The invites, oldest first."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many were left out for lack of room."""


class InviteRevoke(AdminRequest, kw_only=True):
    """Makes an invite useless."""

    TYPE: ClassVar[str] = "admin.invite.revoke"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    invite_id: Annotated[str, ANSWERED]
    """The invite."""

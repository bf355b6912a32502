"""Principals and what they log in with (docs/extensions.md#principals-tokens-keys)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import PrincipalInfo
from omnyshell.model.grammars import COUNT, ID, SECRET
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.protocol.messages.admin.base import AdminRequest
from omnyshell.protocol.messages.base import Way

DEFAULT_OVERLAP = 3600


class PrincipalsRequest(AdminRequest, kw_only=True):
    """Asks for the principals that the hub knows."""

    TYPE: ClassVar[str] = "admin.principals.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class PrincipalsResponse(AdminRequest, kw_only=True):
    """The principals, sorted, with their credentials but no secret."""

    TYPE: ClassVar[str] = "admin.principals.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "principals"

    principals: tuple[PrincipalInfo, ...] = ()
    """The principals, sorted by name."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many were left out for lack of room."""


class PrincipalAdd(AdminRequest, kw_only=True):
    """Adds a principal, without a credential yet."""

    TYPE: ClassVar[str] = "admin.principal.add"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    """The principal's name."""

    display_name: Annotated[str, OMIT, ANSWERED] = ""
    """Its name for people."""

    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    """The roles that it gets."""

    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `admin-ends`: for how long it has them; for good where it is missing."""


class PrincipalRoles(AdminRequest, kw_only=True):
    """Replaces a principal's roles, or adds roles for a time."""

    TYPE: ClassVar[str] = "admin.principal.roles"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    """The principal's name."""

    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    """The roles that it gets."""

    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `admin-ends`: adds the roles for this long. If it is missing, they replace the others for good."""


class PrincipalRevoke(AdminRequest, kw_only=True):
    """Removes a principal with all its credentials, and ends what it has open."""

    TYPE: ClassVar[str] = "admin.principal.revoke"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    principal: Annotated[str, ANSWERED]
    """The principal's name."""


class TokenAdd(AdminRequest, kw_only=True):
    """Makes a token for a principal."""

    TYPE: ClassVar[str] = "admin.token.add"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    principal: Annotated[str, ANSWERED]
    """The principal's name."""

    label: Annotated[str, OMIT, FREE] = ""
    """What the token is for."""

    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """For how long it can be used; for good where it is missing."""


class TokenRotate(AdminRequest, kw_only=True):
    """Makes a new token in place of one."""

    TYPE: ClassVar[str] = "admin.token.rotate"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    """The principal's name."""

    credential_id: Annotated[str | None, OMIT, ANSWERED] = None
    """The token to replace. If it is missing: the only one, or the only one that does not expire."""

    overlap_seconds: Annotated[int, ANSWERED] = DEFAULT_OVERLAP
    """For how long the old token can still be used."""

    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `admin-ends`: for how long the new one can be used; as long as the old one where it is missing."""


class TokenAdded(AdminRequest, kw_only=True):
    """A token, which the hub sends once, and stores as a hash."""

    TYPE: ClassVar[str] = "admin.token.added"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    credential_id: Annotated[str, ID]
    """What the token is called in other requests."""

    token: Annotated[str, SECRET]
    """The secret, which is sent this once."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """When it ends."""


class KeyAdd(AdminRequest, kw_only=True):
    """Lets a principal log in with an Ed25519 key."""

    TYPE: ClassVar[str] = "admin.key.add"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)
    OF_TOKENS: ClassVar[tuple[str, ...]] = ("application",)

    principal: Annotated[str, ANSWERED]
    """The principal's name."""

    public_key: Annotated[str, ANSWERED]
    """The Ed25519 key, in base64."""

    application: Annotated[str | None, OMIT, ANSWERED] = None
    """Of `security-keys`: the application of a key that a hardware token holds."""

    label: Annotated[str, OMIT, FREE] = ""
    """What the key is for."""

    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `admin-ends`: for how long it can be used; for good where it is missing."""


class CredentialRevoke(AdminRequest, kw_only=True):
    """Removes a token or key, and ends the connections that logged in with it."""

    TYPE: ClassVar[str] = "admin.credential.revoke"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    principal: Annotated[str, ANSWERED]
    """The principal's name."""

    credential_id: Annotated[str, ANSWERED]
    """The token or key."""

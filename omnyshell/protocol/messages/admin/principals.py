"""Principals and what they log in with (docs/extensions.md#principals-tokens-keys)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import PrincipalInfo
from omnyshell.model.grammars import ID, SECRET
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.protocol.messages.admin.base import AdminRequest

DEFAULT_OVERLAP = 3600


class PrincipalsRequest(AdminRequest, kw_only=True):
    """Asks for the principals that the hub knows."""

    TYPE: ClassVar[str] = "admin.principals.request"


class PrincipalsResponse(AdminRequest, kw_only=True):
    """The principals, sorted, with their credentials but no secret."""

    TYPE: ClassVar[str] = "admin.principals.response"

    principals: tuple[PrincipalInfo, ...] = ()


class PrincipalAdd(AdminRequest, kw_only=True):
    """Adds a principal, without a credential yet; with a time, for which it has the roles."""

    TYPE: ClassVar[str] = "admin.principal.add"
    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    display_name: Annotated[str, OMIT, ANSWERED] = ""
    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class PrincipalRoles(AdminRequest, kw_only=True):
    """Gives a principal these roles instead of those it has; with a time, beside them and for so long."""

    TYPE: ClassVar[str] = "admin.principal.roles"
    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class PrincipalRevoke(AdminRequest, kw_only=True):
    """Removes a principal with all its credentials, and ends what it has open."""

    TYPE: ClassVar[str] = "admin.principal.revoke"

    principal: Annotated[str, ANSWERED]


class TokenAdd(AdminRequest, kw_only=True):
    """Makes a token for a principal."""

    TYPE: ClassVar[str] = "admin.token.add"

    principal: Annotated[str, ANSWERED]
    label: Annotated[str, OMIT, FREE] = ""
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class TokenRotate(AdminRequest, kw_only=True):
    """Makes a new token in place of one, which goes on for `overlapSeconds`."""

    TYPE: ClassVar[str] = "admin.token.rotate"
    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    credential_id: Annotated[str | None, OMIT, ANSWERED] = None
    overlap_seconds: Annotated[int, ANSWERED] = DEFAULT_OVERLAP
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class TokenAdded(AdminRequest, kw_only=True):
    """A token, which the hub says once and keeps as a hash."""

    TYPE: ClassVar[str] = "admin.token.added"

    credential_id: Annotated[str, ID]
    token: Annotated[str, SECRET]
    expires_at: Annotated[datetime | None, OMIT] = None


class KeyAdd(AdminRequest, kw_only=True):
    """Lets a principal log in with an Ed25519 key."""

    TYPE: ClassVar[str] = "admin.key.add"
    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    public_key: Annotated[str, ANSWERED]
    label: Annotated[str, OMIT, FREE] = ""
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class CredentialRevoke(AdminRequest, kw_only=True):
    """Removes a token or key, and ends the connections that logged in with it."""

    TYPE: ClassVar[str] = "admin.credential.revoke"

    principal: Annotated[str, ANSWERED]
    credential_id: Annotated[str, ANSWERED]

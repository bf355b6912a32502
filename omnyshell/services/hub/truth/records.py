"""The records that admins create: principals, their credentials, and invites. Tokens are hashed."""

from dataclasses import dataclass, field
from datetime import datetime

from omnyshell.model.admin import CredentialKind, InviteKind


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledPrincipal:
    """A principal. `binds` says that its key logins must carry `auth-bind`'s signature.

    `roles` do not expire; `timed_roles` maps further roles to their expiries.
    """

    principal: str
    display_name: str = ""
    roles: frozenset[str] = frozenset()
    timed_roles: dict[str, datetime] = field(default_factory=dict)
    binds: bool = False
    created_at: datetime
    created_by: str = ""

    def roles_at(self, now: datetime) -> frozenset[str]:
        """Return the roles that it has at that time."""
        return self.roles.union(role for role, end in self.timed_roles.items() if now < end)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledCredential:
    """A token's SHA-256, or a public key as `public_keys.kept` writes it, by `kind`."""

    id: str
    principal: str
    kind: CredentialKind
    secret: bytes = field(repr=False)
    label: str = ""
    created_at: datetime
    expires_at: datetime | None = None

    def has_ended(self, now: datetime) -> bool:
        """Whether it has expired at that time."""
        return self.expires_at is not None and self.expires_at <= now


MOST_USES = 10_000
"""The most uses of an invite for a fleet."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many machines can join by an invite, how many have joined, and the prefix of their ids."""

    uses: int
    used: int = 0
    id_prefix: str = ""

    @property
    def left(self) -> int:
        """How many can still join."""
        return self.uses - self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """The SHA-256 of a token, and what it grants: for a single use, or for a `fleet`.

    `used_at` is set when it is used up.

    `role_seconds` and `key_seconds` are how long the granted roles and key are valid after the use; None means without
    expiry.
    """

    id: str
    token_hash: bytes = field(repr=False)
    kind: InviteKind
    node_id: str | None = None
    principal: str | None = None
    display_name: str = ""
    roles: frozenset[str] = frozenset()
    labels: dict[str, str] = field(default_factory=dict)
    created_at: datetime
    created_by: str = ""
    expires_at: datetime
    used_at: datetime | None = None
    role_seconds: int | None = None
    key_seconds: int | None = None
    fleet: Fleet | None = None

"""What admins made: principals, their credentials, and invites. Tokens are hashed."""

from dataclasses import dataclass, field
from datetime import datetime

from omnyshell.model.admin import CredentialKind, InviteKind


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledPrincipal:
    """A principal. `binds` says that its key logins must carry `auth-bind`'s signature.

    `roles` are those it has for good, `timed_roles` those beside them that end, with their ends.
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
    """A token's SHA-256, or a public key, by `kind`."""

    id: str
    principal: str
    kind: CredentialKind
    secret: bytes = field(repr=False)
    label: str = ""
    created_at: datetime
    expires_at: datetime | None = None

    def has_ended(self, now: datetime) -> bool:
        """Whether nobody can log in with it any more at that time."""
        return self.expires_at is not None and self.expires_at <= now


MOST_USES = 10_000
"""Of an invite for a fleet."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many machines can join by an invite, how many have, and what their ids begin with."""

    uses: int
    used: int = 0
    id_prefix: str = ""

    @property
    def left(self) -> int:
        """How many can still join."""
        return self.uses - self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """A token, as its SHA-256, and what it gives: good once, or for a `fleet`. `used_at` is set when it is used up.

    `role_seconds` and `key_seconds` say for how long it gives roles and key, from its use on; None is for good.
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

"""Judges logins by the hub's database, beside what its configuration grants."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.ids import PrincipalId
from omnyshell.model.admin import CredentialKind
from omnyshell.model.principals import Principal
from omnyshell.security.authenticators import (
    CompositeAuthenticator,
    Evidence,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
)
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore
from omnyshell.security.credentials import Credential, LoginContext
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.refusal import refused
from omnyshell.services.hub.enrolment_store import EnrolmentStore
from omnyshell.services.hub.enrolments import EnrolledCredential, EnrolledPrincipal


class EnrolledAuthenticator:
    """Accepts what the database holds and has not expired; call `refresh` after every change."""

    def __init__(self, store: EnrolmentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tokens = TokenAuthenticator()
        self._keys = AuthorizedKeysStore()
        self._binding: frozenset[str] = frozenset()
        self._next_expiry: datetime | None = None
        self._has_expired = False
        by_key = PublicKeyAuthenticator(self._keys, require_binding=lambda principal: principal in self._binding)
        self._members = CompositeAuthenticator([self._tokens, by_key])
        self.refresh()

    def authenticate(self, credential: Credential, context: LoginContext) -> Principal:
        """Return who this is. Raises `AuthException`: of credentials that may have ended none is good unread."""
        try:
            self._look()
        except OmnyShellException as exc:
            raise refused() from exc
        return self._members.authenticate(credential, context)

    def as_now(self, evidence: Evidence, was: Principal) -> Principal | None:
        """Return who an earlier login is now; None where it would not be accepted any more."""
        return self._members.as_now(evidence, was)

    def has_made(self, credential: Credential) -> bool:
        """Tell whether this is a token that the hub made, as are all of the database."""
        return self._members.has_made(credential)

    def principals(self) -> Iterator[Principal]:
        """Yield the principals that have a credential."""
        return self._members.principals()

    def expire(self) -> bool:
        """Forget credentials and roles whose time is up; returns whether there were any since it was asked last."""
        self._look()
        found, self._has_expired = self._has_expired, False
        return found

    def refresh(self) -> None:
        """Take in what the database holds."""
        now = self._clock.now()
        is_over = self._next_expiry is not None and now >= self._next_expiry
        known = self._store.principals()
        ends = [end for found in known for end in found.timed_roles.values() if end > now]
        principals = {found.principal: replace(found, roles=found.roles_at(now)) for found in known}
        # What is said of an owner may be damaged: its credentials are worth nothing then.
        owned = (found for found in self._store.credentials() if found.principal in principals)
        valid = [found for found in owned if not found.has_ended(now)]
        self._tokens.replace(_grant(principals, found) for found in valid if found.kind is CredentialKind.TOKEN)
        self._keys.replace(_key(principals, found) for found in valid if found.kind is CredentialKind.KEY)
        self._binding = frozenset(name for name, found in principals.items() if found.binds)
        ends += [found.expires_at for found in valid if found.expires_at is not None]
        self._next_expiry = min(ends, default=None)
        self._has_expired = self._has_expired or is_over

    def _look(self) -> None:
        if self._next_expiry is not None and self._clock.now() >= self._next_expiry:
            self.refresh()


def _grant(principals: Mapping[str, EnrolledPrincipal], found: EnrolledCredential) -> TokenGrant:
    owner = principals[found.principal]
    return TokenGrant(PrincipalId(owner.principal), found.secret, owner.roles, owner.display_name, is_random=True)


def _key(principals: Mapping[str, EnrolledPrincipal], found: EnrolledCredential) -> AuthorizedKey:
    owner = principals[found.principal]
    return AuthorizedKey(PrincipalId(owner.principal), Ed25519PublicKey(found.secret), owner.roles, owner.display_name)

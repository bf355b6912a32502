"""Authenticates logins by the hub's database, in addition to its configuration."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from heapq import heappop, heappush
from typing import NamedTuple

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.ids import PrincipalId
from omnyshell.model.admin import CredentialKind
from omnyshell.model.principals import Principal
from omnyshell.security.authenticators import (
    Authenticator,
    CompositeAuthenticator,
    Evidence,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
)
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore
from omnyshell.security.credentials import Credential, LoginContext
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.public_keys import read_kept
from omnyshell.security.refusal import refused
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.truth.changes import Transaction
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal


class Enrolled(NamedTuple):
    """A principal of the database, with its credentials; None if there is none, or it is damaged."""

    owner: EnrolledPrincipal | None
    credentials: tuple[EnrolledCredential, ...] = ()


class EnrolledAuthenticator:
    """Accepts the credentials in the database that have not expired.

    It is updated by the log. The cost of a change does not depend on the number of principals.
    """

    def __init__(self, store: EnrolmentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tokens = TokenAuthenticator()
        self._keys = AuthorizedKeysStore()
        self._binding: set[str] = set()
        self._ends: list[tuple[datetime, str]] = []
        """A heap of the next expiry of each principal; some entries are outdated, see `_next_end`."""

        self._next_end: dict[str, datetime] = {}
        self._at_most: list[tuple[float, datetime, str]] = []
        """The same ends by the monotonic clock, for a time of day that is set back: see `_look`."""

        self._reached: dict[str, datetime] = {}
        """The latest end of each principal that the monotonic clock has reached, which stays past."""

        self._expired: set[str] = set()
        self._is_wrong = False
        """Whether the clock was wrong by which ends were judged."""

        by_key = PublicKeyAuthenticator(self._keys, require_binding=lambda principal: principal in self._binding)
        self._members = CompositeAuthenticator([self._tokens, by_key])
        self._take_all()

    def authenticate(self, credential: Credential, context: LoginContext) -> Principal:
        """Return the principal.

        Raises `AuthException`, also while possibly expired credentials cannot be read again.
        """
        try:
            self._look()
        except OmnyShellException as exc:
            raise refused() from exc
        return self._members.authenticate(credential, context)

    def as_now(self, evidence: Evidence, was: Principal) -> Principal | None:
        """Return the present principal of an earlier login; None if it would no longer be accepted."""
        return self._members.as_now(evidence, was)

    def has_made(self, credential: Credential) -> bool:
        """Tell whether this is a token that the hub made, as all in the database are."""
        return self._members.has_made(credential)

    def principals(self) -> Iterator[Principal]:
        """Yield the principals that have a credential."""
        return self._members.principals()

    def principal(self, name: PrincipalId) -> Principal | None:
        """Return the principal of that name, if it has a credential."""
        return self._members.principal(name)

    def keys_of(self, name: PrincipalId) -> frozenset[bytes]:
        """Return the Ed25519 keys of a principal, without those that hardware tokens hold."""
        keys = (entry.public_key for entry in self._keys.of(name))
        return frozenset(key.raw for key in keys if isinstance(key, Ed25519PublicKey))

    def expire(self) -> set[str]:
        """Drop expired credentials and roles; return the affected principals since the last call."""
        self._look()
        expired, self._expired = self._expired, set()
        return expired

    def judge_anew(self) -> None:
        """Judge all ends by the clock as it is now, which was wrong before, from the next look on."""
        self._is_wrong = True

    def follow(self, transaction: Transaction) -> Callable[[], None]:
        """See `Follower`."""
        found = [(name, self.read(name)) for name in transaction.whose]
        return partial(self._take_these, found)

    def read(self, name: str) -> Enrolled:
        """Read a principal from the database. Raises `ConfigException` if the file cannot be used."""
        return Enrolled(self._store.readable_principal(name), tuple(self._store.credentials(name)))

    def take(self, name: str, found: Enrolled) -> None:
        """Replace what is accepted of a principal."""
        now = self._clock.now()
        now = max(now, self._reached.get(name, now))
        owner = found.owner
        valid = [each for each in found.credentials if owner is not None and not each.has_ended(now)]
        who = PrincipalId(name)
        if owner is None:
            self._tokens.put(who, ())
            self._keys.put(who, ())
        else:
            current = replace(owner, roles=owner.roles_at(now))
            self._tokens.put(who, [_grant(current, each) for each in valid if each.kind is CredentialKind.TOKEN])
            self._keys.put(who, [_key(current, each) for each in valid if each.kind is CredentialKind.KEY])
        (self._binding.add if owner is not None and owner.binds else self._binding.discard)(name)
        ends = [end for end in (owner.timed_roles.values() if owner is not None else ()) if end > now]
        ends += [each.expires_at for each in valid if each.expires_at is not None]
        if name in self._next_end and self._next_end[name] <= now:
            self._expired.add(name)
        self._note_end(name, min(ends, default=None))

    def _take_these(self, found: Iterable[tuple[str, Enrolled]]) -> None:
        for name, read in found:
            self.take(name, read)

    def _take_all(self) -> None:
        for name, found in self._read_all():
            self.take(name, found)

    def _read_all(self) -> list[tuple[str, Enrolled]]:
        credentials: dict[str, list[EnrolledCredential]] = {}
        for found in self._store.credentials():
            credentials.setdefault(found.principal, []).append(found)
        owners = self._store.principals()
        return [(each.principal, Enrolled(each, tuple(credentials.get(each.principal, ())))) for each in owners]

    def _take_all_anew(self) -> None:
        found = self._read_all()
        # Whoever was let in by ends that were judged wrongly is looked at.
        self._expired.update(self._next_end, self._reached)
        self._ends, self._next_end, self._at_most, self._reached = [], {}, [], {}
        self._take_these(found)
        self._is_wrong = False

    def _note_end(self, name: str, end: datetime | None) -> None:
        if end is None:
            self._next_end.pop(name, None)
        elif self._next_end.get(name) != end:
            self._next_end[name] = end
            heappush(self._ends, (end, name))
            left = (end - self._clock.now()).total_seconds()
            heappush(self._at_most, (self._clock.monotonic() + left, end, name))

    def _look(self) -> None:
        """Take again whose end has come: by the time of day, or by the time that passed, if that was set back."""
        if self._is_wrong:
            self._take_all_anew()
        now, ticks = self._clock.now(), self._clock.monotonic()
        while self._at_most and self._at_most[0][0] <= ticks:
            _, end, name = self._at_most[0]
            if self._next_end.get(name) == end:
                self._reached[name] = end
                self.take(name, self.read(name))
            heappop(self._at_most)
        while self._ends and self._ends[0][0] <= now:
            end, name = self._ends[0]
            if self._next_end.get(name) == end:
                self.take(name, self.read(name))
            heappop(self._ends)


def _grant(owner: EnrolledPrincipal, found: EnrolledCredential) -> TokenGrant:
    return TokenGrant(PrincipalId(owner.principal), found.secret, owner.roles, owner.display_name, is_random=True)


def _key(owner: EnrolledPrincipal, found: EnrolledCredential) -> AuthorizedKey:
    return AuthorizedKey(PrincipalId(owner.principal), read_kept(found.secret), owner.roles, owner.display_name)


class HubAuthenticator(CompositeAuthenticator):
    """Judges all logins of a hub: by its present configuration, and by its database."""

    def __init__(self, config: HubConfig, enrolled: Authenticator) -> None:
        self._enrolled = enrolled
        self.configured = config.authenticator
        """The authenticator of the present configuration."""

        super().__init__([self.configured, enrolled])

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on."""
        self.configured = config.authenticator
        self.replace([self.configured, self._enrolled])

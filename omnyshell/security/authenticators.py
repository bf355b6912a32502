"""Authenticators: from a credential to a principal, or to a refusal that says nothing."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol, Self

from omnyshell.errors import AuthException, ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore, split_roles
from omnyshell.security.credentials import (
    PUBLIC_KEY_METHOD,
    TOKEN_METHOD,
    Credential,
    LoginContext,
    Proof,
    PublicKeyCredential,
    SecurityKeyCredential,
    TokenCredential,
)
from omnyshell.security.length_prefix import utf8
from omnyshell.security.refusal import refused
from omnyshell.security.secret_index import SecretIndex

BindingRule = Callable[[PrincipalId], bool]
"""Tells whether a principal's logins must be bound to the hub, by `auth-bind` or `auth-bind-2`; also called for unknown
principals."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a login was accepted for: the hash of a token, or a public key's `identity` and how it was proved."""

    principal: PrincipalId
    method: str
    secret: bytes = field(repr=False)
    proof: Proof | None = None
    dialled: tuple[str, int] | None = field(default=None, compare=False)
    """The host and port that a bound proof names."""


def evidence_of(credential: Credential) -> Evidence | None:
    """Return what the hub keeps of a credential while its connection lasts; None for an unknown kind."""
    if isinstance(credential, TokenCredential):
        return Evidence(credential.principal, TOKEN_METHOD, hash_token(credential.token))
    if isinstance(credential, PublicKeyCredential | SecurityKeyCredential):
        key, proof = credential.public_key, credential.proof
        dialled = (credential.host, credential.port) if proof.is_bound else None
        return Evidence(credential.principal, PUBLIC_KEY_METHOD, key.identity, proof, dialled)
    return None


class Authenticator(Protocol):
    """Judges credentials of the types it knows. It is called in the hub's event loop, and so must not block.

    It may have further methods. `as_now(evidence, was)` judges an earlier login anew: it returns its principal, or None
    to end its connection; without the method a login stays as it was. `has_made(credential)` tells whether the hub made
    this token at random, so that failed guesses need not delay it. `principals()` yields those it knows.
    """

    def authenticate(self, credential: Credential, context: LoginContext) -> Principal:
        """Return the principal, with the roles that the credential gives.

        The name in the credential is a claim until then.

        Raises `AuthException`, always in the same words and after the same work, also for a type it does not know.
        """
        ...


def as_now(authenticator: Authenticator, evidence: Evidence, was: Principal) -> Principal | None:
    """Judge an earlier login anew: return its principal with its present roles, or None if it is no longer valid.

    An authenticator without `as_now` leaves the login unchanged, unless it has the older method `upholds` and denies
    it.
    """
    ask = getattr(authenticator, "as_now", None)
    if ask is not None:
        found: Principal | None = ask(evidence, was)
        return found
    upholds = getattr(authenticator, "upholds", None)
    return was if upholds is None or upholds(evidence, was) else None


def is_beyond_guessing(authenticator: Authenticator, credential: Credential) -> bool:
    """Tell whether a credential cannot be found by guessing: a proof by key, or a token that the hub itself made.

    This does not say that a proof is right.
    """
    if isinstance(credential, PublicKeyCredential | SecurityKeyCredential):
        return True
    ask = getattr(authenticator, "has_made", None)
    return ask is not None and bool(ask(credential))


def principals_of(authenticator: Authenticator) -> dict[PrincipalId, Principal]:
    """Return whom an authenticator knows, with the roles of all their credentials; nobody where it cannot tell."""
    found: dict[PrincipalId, Principal] = {}
    ask = getattr(authenticator, "principals", tuple)
    for principal in ask():
        before = found.get(principal.id)
        # Nearly all principals have one credential, so no set is built for them.
        found[principal.id] = principal if before is None else replace(before, roles=before.roles | principal.roles)
    return found


def principal_of(authenticator: Authenticator, name: PrincipalId) -> Principal | None:
    """Return what `principals_of` says of one, without going over all where an authenticator can do so."""
    ask = getattr(authenticator, "principal", None)
    if ask is None:
        return principals_of(authenticator).get(name)
    found: Principal | None = ask(name)
    return found


def _together(found: Iterable[Principal]) -> Principal | None:
    """One principal with the roles of all its credentials; None where there are none."""
    together: Principal | None = None
    for each in found:
        together = each if together is None else replace(together, roles=together.roles | each.roles)
    return together


def can_list(authenticator: Authenticator) -> bool:
    """Tell whether `principals_of` lists everyone whom the authenticator accepts."""
    members = getattr(authenticator, "members", None)
    return all(map(can_list, members)) if members is not None else hasattr(authenticator, "principals")


def hash_token(token: str) -> bytes:
    """The form in which a hub keeps a token: SHA-256. Tokens are random, so that no salt is needed."""
    return hashlib.sha256(utf8(token)).digest()


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """Whoever presents this token is this principal, with these roles. Only the token's hash is kept."""

    principal: PrincipalId
    token_hash: bytes = field(repr=False)
    roles: frozenset[str] = frozenset()
    display_name: str = ""
    is_random: bool = False
    """Whether the hub made the token, of 256 random bits: it cannot be guessed, so failed guesses need not delay it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `PRINCIPAL:TOKEN:ROLE,ROLE`, where roles may be left out, with or without their colon.

        Raises `ConfigException`, whose text does not show the token.
        """
        principal, *rest = text.split(":")
        if not principal.strip() or not 1 <= len(rest) <= 2 or not rest[0]:
            raise ConfigException("a token is granted as PRINCIPAL:TOKEN:ROLE,ROLE, without a colon in any of them")
        roles = split_roles(rest[1]) if len(rest) == 2 else frozenset()
        return cls(PrincipalId(principal.strip()), hash_token(rest[0]), roles)

    def as_principal(self) -> Principal:
        """The identity that the token proves."""
        return Principal(self.principal, self.roles, self.display_name)


def _index_of(grants: Iterable[TokenGrant]) -> SecretIndex[TokenGrant]:
    return SecretIndex((grant.principal, grant.token_hash, grant) for grant in grants)


class TokenAuthenticator:
    """Accepts the tokens of these grants. A principal may have several, so that tokens can rotate."""

    def __init__(self, grants: Iterable[TokenGrant] = ()) -> None:
        self.replace(grants)

    def replace(self, grants: Iterable[TokenGrant]) -> None:
        """Take these grants instead of those held so far, in one step."""
        held: dict[PrincipalId, tuple[TokenGrant, ...]] = {}
        for grant in grants:
            held[grant.principal] = (*held.get(grant.principal, ()), grant)
        self._grants = held
        self._index = _index_of(self._all())
        self._made = _index_of(grant for grant in self._all() if grant.is_random)

    def put(self, principal: PrincipalId, grants: Iterable[TokenGrant]) -> None:
        """Replace the grants of one principal; all of `grants` must be its own."""
        held = tuple(grants)
        self._grants.pop(principal, None)
        if held:
            self._grants[principal] = held
        self._index.put(principal, [(grant.token_hash, grant) for grant in held])
        self._made.put(principal, [(grant.token_hash, grant) for grant in held if grant.is_random])

    def _all(self) -> Iterator[TokenGrant]:
        return chain.from_iterable(self._grants.values())

    def authenticate(self, credential: Credential, context: LoginContext) -> Principal:  # noqa: ARG002
        """Return who holds this token. Raises `AuthException`."""
        if not isinstance(credential, TokenCredential):
            raise refused()
        grant = self._index.find(credential.principal, hash_token(credential.token))
        if grant is None:
            raise refused()
        return grant.as_principal()

    def as_now(self, evidence: Evidence, was: Principal) -> Principal | None:  # noqa: ARG002
        """Return whom the token is still granted to."""
        grant = self._index.find(evidence.principal, evidence.secret) if evidence.method == TOKEN_METHOD else None
        return grant.as_principal() if grant is not None else None

    def has_made(self, credential: Credential) -> bool:
        """Tell whether this is a token that the hub made; tokens that somebody chose are not looked at."""
        if not isinstance(credential, TokenCredential):
            return False
        return self._made.find(credential.principal, hash_token(credential.token)) is not None

    def principals(self) -> Iterator[Principal]:
        """Yield the principals of all grants."""
        return (grant.as_principal() for grant in self._all())

    def principal(self, name: PrincipalId) -> Principal | None:
        """Return the principal of that name, with the roles of all its grants."""
        return _together(grant.as_principal() for grant in self._grants.get(name, ()))


def _binding_is_optional(_principal: PrincipalId) -> bool:
    return False


class PublicKeyAuthenticator:
    """Accepts Ed25519 keys listed in a store, also those that hardware tokens hold.

    The signature is verified against the offered key before anything is looked up, and everything is judged before
    anything is refused. Every signature that is present must be right; `require_binding` says whose logins must be
    bound. Whether the dialled host and port are the hub's own is judged by the hub.
    """

    def __init__(self, store: AuthorizedKeysStore, *, require_binding: BindingRule = _binding_is_optional) -> None:
        self._store = store
        self._require_binding = require_binding

    def authenticate(self, credential: Credential, context: LoginContext) -> Principal:
        """Return who holds this key. Raises `AuthException`."""
        if not isinstance(credential, PublicKeyCredential | SecurityKeyCredential):
            raise refused()
        proved = credential.is_proved(context)
        must_bind = self._require_binding(credential.principal)
        entry = self._store.find(credential.principal, credential.public_key)
        if entry is None or not proved or (must_bind and credential.proof is Proof.UNBOUND):
            raise refused()
        if entry.must_verify and credential.proof is not Proof.VERIFIED:
            raise refused()
        return entry.as_principal()

    def as_now(self, evidence: Evidence, was: Principal) -> Principal | None:  # noqa: ARG002
        """Return for whom the key is still listed."""
        if evidence.method != PUBLIC_KEY_METHOD:
            return None
        entry = self._store.find_identity(evidence.principal, evidence.secret)
        if entry is None or (entry.must_verify and evidence.proof is not Proof.VERIFIED):
            return None
        return entry.as_principal()

    @property
    def entries(self) -> tuple[AuthorizedKey, ...]:
        """The keys, with whose they are."""
        return self._store.entries

    def principals(self) -> Iterator[Principal]:
        """Yield the principals of all keys."""
        return (entry.as_principal() for entry in self._store.entries)

    def principal(self, name: PrincipalId) -> Principal | None:
        """Return the principal of that name, with the roles of all its keys."""
        return _together(entry.as_principal() for entry in self._store.of(name))


class CompositeAuthenticator:
    """Asks all its members, even after one accepted, and takes the first success."""

    def __init__(self, members: Sequence[Authenticator]) -> None:
        self.replace(members)

    def replace(self, members: Sequence[Authenticator]) -> None:
        """Ask these members from now on."""
        self.members = tuple(members)
        self._knowing_first = sorted(members, key=lambda member: not hasattr(member, "as_now"))

    def authenticate(self, credential: Credential, context: LoginContext) -> Principal:
        """Return who this is by the first member that accepts it. Raises `AuthException` when none does."""
        accepted: Principal | None = None
        for member in self.members:
            try:
                principal = member.authenticate(credential, context)
            except AuthException:
                continue
            accepted = accepted or principal
        if accepted is None:
            raise refused()
        return accepted

    def as_now(self, evidence: Evidence, was: Principal) -> Principal | None:
        """Return the principal by the first member that upholds the login. Members with `as_now` are asked first."""
        found = (as_now(member, evidence, was) for member in self._knowing_first)
        return next((principal for principal in found if principal is not None), None)

    def has_made(self, credential: Credential) -> bool:
        """Tell whether this is a token that the hub made."""
        return any(is_beyond_guessing(member, credential) for member in self.members)

    def principals(self) -> Iterator[Principal]:
        """Yield whom the members know."""
        return (principal for member in self.members for principal in principals_of(member).values())

    def principal(self, name: PrincipalId) -> Principal | None:
        """Return the principal of that name, with the roles that it has at all members."""
        return _together(filter(None, (principal_of(member, name) for member in self.members)))

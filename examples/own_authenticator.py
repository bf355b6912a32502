"""An authenticator of one's own: tokens that another program signs, good for a while, and that no hub has to store.

A token is `ROLES.EXPIRY.MAC`, made by whoever shares a secret with the hub: a login page, say, that knows its users
already. `python examples/own_authenticator.py ann operator 8h` prints one.
"""

import hashlib
import hmac
import sys
import time

from omnyshell import (
    AuthException,
    Clock,
    Credential,
    Evidence,
    LoginContext,
    Principal,
    PrincipalId,
    SystemClock,
    TokenCredential,
)

REFUSED = "Authentication failed"
"""Whatever was wrong: what differs would tell an attacker how far they got."""


def make_token(secret: bytes, principal: str, roles: frozenset[str], expires_at: int) -> str:
    """Return a token; `expires_at` in seconds since 1970. For the program that knows the users."""
    body = f"{','.join(sorted(roles))}.{expires_at}"
    return f"{body}.{_mac(secret, principal, body)}"


def _mac(secret: bytes, principal: str, body: str) -> str:
    # The principal's length stands first, so that no two pairs of texts are signed alike.
    name = principal.encode("utf-8", "surrogateescape")
    message = len(name).to_bytes(4, "big") + name + body.encode("utf-8", "surrogateescape")
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


class SignedTokenAuthenticator:
    """Accepts such tokens: an `omnyshell.Authenticator`. Called in the hub's event loop, so it must not block."""

    def __init__(self, secret: bytes, clock: Clock | None = None) -> None:
        if len(secret) < 32:
            raise ValueError("a secret has at least 32 random bytes")
        self._secret = secret
        self._clock = clock or SystemClock()
        self._ends: dict[bytes, int] = {}
        """When the tokens end that were accepted, by the hash that the hub remembers of them."""

    def authenticate(self, credential: Credential, context: LoginContext) -> Principal:  # noqa: ARG002
        """Return who shows this token. Raises `AuthException`."""
        if not isinstance(credential, TokenCredential):
            raise AuthException(REFUSED)
        body, _, mac = credential.token.rpartition(".")
        right = _mac(self._secret, credential.principal, body)
        # Compared first, and in constant time: nothing of a token is read that is not ours.
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), right.encode()):
            raise AuthException(REFUSED)
        roles, _, end = body.partition(".")
        if int(end) <= self._now():
            raise AuthException(REFUSED)
        self._remember(credential.token, int(end))
        return Principal(credential.principal, frozenset(filter(None, roles.split(","))))

    def as_now(self, evidence: Evidence, was: Principal) -> Principal | None:
        """Return who an earlier login is now; None where its connection is to end.

        The hub asks when it looks at logins anew: whenever rights, credentials or files change, and at
        `hub.reload(hub.config)`, which is for us to call when something has ended. Without this method a connection
        would keep what it was given, for as long as it stays.
        """
        return was if self._ends.get(evidence.secret, 0) > self._now() else None

    def _remember(self, token: str, end: int) -> None:
        now = self._now()
        self._ends = {known: until for known, until in self._ends.items() if until > now}
        self._ends[hashlib.sha256(token.encode()).digest()] = end

    def _now(self) -> float:
        return self._clock.now().timestamp()


def main(principal: str, roles: str, hours: str) -> None:
    """Print a token, signed with what stands in `token-secret` here."""
    with open("token-secret", "rb") as file:  # noqa: PTH123
        secret = file.read()
    end = int(time.time() + 3600 * float(hours.removesuffix("h")))
    print(make_token(secret, PrincipalId(principal), frozenset(roles.split(",")), end))


if __name__ == "__main__":
    main(*sys.argv[1:])

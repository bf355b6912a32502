"""Digests of what a hub reads of files of its own, by which several hubs see where they differ."""

import hashlib
from collections.abc import Iterable, Iterator

from omnyshell.model.hub_warnings import AUTHORITY
from omnyshell.security.authenticators import Authenticator, PublicKeyAuthenticator, TokenAuthenticator
from omnyshell.security.grants import Grant
from omnyshell.security.length_prefix import length_prefixed
from omnyshell.services.hub.ground.config import HubConfig

KEYS, TOKENS, GRANTS = "authorized-keys", "granted-tokens", "grants"
"""What is compared, as options call it."""


def digests(config: HubConfig, configured: Authenticator, authority: bytes = b"") -> dict[str, str]:
    """Return a digest of each; `configured` judges by the files as they are now.

    `authority` identifies that of the certificate, and is compared of hubs to which peers of others can go.
    That of granted tokens has who gets which roles, and nothing of the tokens: people choose them, so whoever reads a
    digest could guess.
    """
    members = tuple(_members(configured))
    keys = (member for member in members if isinstance(member, PublicKeyAuthenticator))
    tokens = (member for member in members if isinstance(member, TokenAuthenticator))
    of_authority = {AUTHORITY: _digest([(authority.hex(),)])} if authority and config.public_urls else {}
    return of_authority | {
        KEYS: _digest(
            (str(entry.principal), entry.public_key.to_base64(), *sorted(entry.roles))
            for member in keys
            for entry in member.entries
        ),
        TOKENS: _digest((str(one.id), *sorted(one.roles)) for member in tokens for one in member.principals()),
        GRANTS: _digest(map(_of_grant, config.grants)),
    }


def _members(authenticator: Authenticator) -> Iterator[Authenticator]:
    members = getattr(authenticator, "members", None)
    if members is None:
        yield authenticator
        return
    for member in members:
        yield from _members(member)


def _of_grant(grant: Grant) -> tuple[str, ...]:
    sets = (grant.rights, grant.roles, grant.principals, grant.nodes, grant.logins)
    labels = sorted(f"{name}={value}" for name, value in grant.labels.items())
    return (str(grant.deny), *(repr(sorted(map(str, each))) for each in sets), repr(labels))


def _digest(rows: Iterable[tuple[str, ...]]) -> str:
    """Return a digest of rows, which their order does not change."""
    encoded = sorted(length_prefixed(*(field.encode() for field in row)) for row in rows)
    return hashlib.sha256(length_prefixed(*encoded)).hexdigest()[:16]

"""Digests by which hubs see where files of their own differ."""

from dataclasses import replace
from pathlib import Path

from omnyshell.ids import PrincipalId
from omnyshell.model.hub_warnings import AUTHORITY
from omnyshell.security.authenticators import (
    CompositeAuthenticator,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
)
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore
from omnyshell.security.authorizer import Action
from omnyshell.security.grants import Grant
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.access.own_files import digests
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.transport.connection import HubAddress

KEYS = [AuthorizedKey(PrincipalId("ann"), Ed25519PrivateKey.generate().public_key, frozenset({"dev"})) for _ in "ab"]
TOKENS = [TokenGrant.parse("bob:secret:dev,ops"), TokenGrant.parse("eve:other:dev")]
GRANTS = (
    Grant(frozenset({Action.EXEC}), roles=frozenset({"a", "b"})),
    Grant(frozenset({Action.SHELL}), labels={"x": "y"}),
)


def of(keys: list[AuthorizedKey], tokens: list[TokenGrant], grants: tuple[Grant, ...]) -> dict[str, str]:
    members = [PublicKeyAuthenticator(AuthorizedKeysStore(keys)), CompositeAuthenticator([TokenAuthenticator(tokens)])]
    authenticator = CompositeAuthenticator(members)
    config = HubConfig(cert=Path("/c"), key=Path("/k"), authenticator=authenticator, grants=grants)
    return digests(config, authenticator)


def test_authorities_are_compared_where_nodes_and_clients_of_other_hubs_can_come() -> None:
    nobody = CompositeAuthenticator([])
    config = HubConfig(cert=Path("/c"), key=Path("/k"), authenticator=nobody)
    reached = replace(config, public_urls=(HubAddress("hub.example", 443),))
    assert AUTHORITY not in digests(config, nobody, b"authority")
    assert AUTHORITY not in digests(reached, nobody, b"")
    known = {digests(reached, nobody, authority)[AUTHORITY] for authority in (b"one", b"one", b"other")}
    assert len(known) == 2


def test_a_digest_is_of_what_is_granted_and_of_nothing_else() -> None:
    same = of(KEYS, TOKENS, GRANTS)
    assert of(KEYS[::-1], TOKENS[::-1], GRANTS[::-1]) == same
    # Tokens themselves are in no digest, as whoever reads it could try what people choose.
    assert of(KEYS, [TokenGrant.parse("bob:another:dev,ops"), TOKENS[1]], GRANTS) == same
    changed = {
        "authorized-keys": of(KEYS[:1], TOKENS, GRANTS),
        "granted-tokens": of(KEYS, [TokenGrant.parse("bob:secret:dev"), TOKENS[1]], GRANTS),
        "grants": of(KEYS, TOKENS, GRANTS[:1]),
    }
    assert same.keys() == changed.keys()
    for name, other in changed.items():
        assert [each for each in same if same[each] != other[each]] == [name]

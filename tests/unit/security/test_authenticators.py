import hashlib
import hmac

import msgspec
import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import AuthException, ConfigException
from omnyshell.model.principals import Principal
from omnyshell.security import secret_index
from omnyshell.security.authenticators import (
    CompositeAuthenticator,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
    hash_token,
)
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore
from omnyshell.security.credentials import (
    Credential,
    LoginContext,
    Proof,
    PublicKeyCredentialProvider,
    TokenCredential,
    credential_from_request,
)
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey

KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def refuses(authenticator, credential, context):
    with pytest.raises(AuthException, match=r"^Authentication failed$") as caught:
        authenticator.authenticate(credential, context)
    return type(caught.value) is AuthException


def offer(context, *, principal="alice", key=KEY, bind=False, **changes):
    request = PublicKeyCredentialProvider(principal, key).auth_request(context, bind=bind)
    return msgspec.structs.replace(credential_from_request(request), **changes)


@pytest.fixture
def comparisons(monkeypatch):
    made = []

    def compare(one, other):
        assert isinstance(one, bytes)
        assert len(one) == len(other) == 32
        made.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(secret_index, "hmac", type("Spy", (), {"compare_digest": staticmethod(compare)}))
    return made


@in_one_test(
    ("text", "roles"),
    [
        ("alice:tok:dev,ops", {"dev", "ops"}),
        ("alice:tok: dev , ,ops,", {"dev", "ops"}),
        ("alice:tok:", set()),
        ("alice:tok", set()),
        (" alice :tok:dev", {"dev"}),
    ],
)
def test_grant_is_parsed(text, roles):
    grant = TokenGrant.parse(text)
    assert (grant.principal, grant.roles, grant.display_name) == ("alice", roles, "")
    assert grant.token_hash == hashlib.sha256(b"tok").digest()


@in_one_test("text", ["", "alice", "alice:", "alice::dev", ":s3cret:dev", " :s3cret:dev", "alice:s3c:ret:dev"])
def test_grant_that_is_wrong_does_not_show_the_token(text):
    with pytest.raises(ConfigException) as caught:
        TokenGrant.parse(text)
    assert "s3c" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_grant_keeps_and_shows_no_token():
    grant = TokenGrant.parse("alice:s3cret:dev")
    assert "s3cret" not in repr(grant)
    assert repr(grant.token_hash) not in repr(grant)


def test_token_rotates(context):
    old, new = TokenGrant.parse("alice:old:dev"), TokenGrant("alice", hash_token("new"), frozenset({"ops"}), "Alice")
    authenticator = TokenAuthenticator([old, new, TokenGrant.parse("bob:tok:admin")])
    assert authenticator.authenticate(TokenCredential("alice", "old"), context) == Principal(
        "alice", frozenset({"dev"})
    )
    accepted = authenticator.authenticate(TokenCredential("alice", "new"), context)
    assert accepted == Principal("alice", frozenset({"ops"}), "Alice")
    assert refuses(authenticator, TokenCredential("alice", "tok"), context)
    authenticator.replace([new])
    assert refuses(authenticator, TokenCredential("alice", "old"), context)
    assert refuses(authenticator, TokenCredential("bob", "tok"), context)


@in_one_test("principal", ["alice", "nobody", "", "älice", "\ud800"])
@in_one_test("token", ["wrong", "tökén", "\udfff", ""])
def test_wrong_tokens_are_refused(context, principal, token):
    assert refuses(TokenAuthenticator([TokenGrant.parse("alice:tok:")]), TokenCredential(principal, token), context)
    assert refuses(TokenAuthenticator(), TokenCredential(principal, token), context)


def test_every_token_lookup_compares_as_often(context, comparisons):
    grants = ["alice:a1:", "alice:a2:", "alice:a3:", "bob:b1:"]
    authenticator = TokenAuthenticator(map(TokenGrant.parse, grants))
    for principal, token in [
        ("alice", "a1"),
        ("alice", "a3"),
        ("alice", "x"),
        ("bob", "b1"),
        ("bob", "x"),
        ("eve", "x"),
    ]:
        comparisons.clear()
        if token == "x":
            refuses(authenticator, TokenCredential(principal, token), context)
        else:
            authenticator.authenticate(TokenCredential(principal, token), context)
        assert len(comparisons) == 3


def test_nothing_matches_a_row_of_padding(context, comparisons):
    authenticator = TokenAuthenticator(
        [TokenGrant.parse("alice:a:"), TokenGrant.parse("alice:b:"), TokenGrant.parse("bob:c:")]
    )
    refuses(authenticator, TokenCredential("eve", "x"), context)
    for padding, _ in list(comparisons):
        for principal in ("eve", "bob"):
            assert authenticator._index.find(principal, padding) is None


@pytest.fixture
def store():
    return AuthorizedKeysStore(
        [
            AuthorizedKey("alice", KEY.public_key, frozenset({"dev"}), "Alice Example"),
            AuthorizedKey("alice", Ed25519PrivateKey.generate().public_key),
            AuthorizedKey("bob", OTHER_KEY.public_key, frozenset({"admin"})),
        ]
    )


def test_key_is_accepted(store, context):
    accepted = PublicKeyAuthenticator(store).authenticate(offer(context), context)
    assert accepted == Principal("alice", frozenset({"dev"}), "Alice Example")


def test_wrong_keys_are_refused(store, context):
    authenticator = PublicKeyAuthenticator(store)
    assert refuses(authenticator, offer(context, key=OTHER_KEY), context)
    assert refuses(authenticator, offer(context, principal="bob"), context)
    assert refuses(authenticator, offer(context, principal="eve"), context)
    assert refuses(authenticator, offer(context, signature=OTHER_KEY.sign(context.nonce.encode())), context)
    assert refuses(authenticator, offer(context, public_key=Ed25519PublicKey(b"\xff" * 32)), context)


def test_proof_for_another_connection_is_refused(store, context):
    elsewhere = msgspec.structs.replace(context, nonce="another nonce")
    assert refuses(PublicKeyAuthenticator(store), offer(elsewhere), context)


@pytest.mark.parametrize(
    "change",
    [{"nonce": "other"}, {"role": "node"}, {"spki_sha256": b"\x08" * 32}, {"spki_sha256": None}],
)
def test_a_binding_that_is_present_must_be_right(store, context, change):
    authenticator = PublicKeyAuthenticator(store)
    bound = offer(context, bind=True)
    assert authenticator.authenticate(bound, context).id == "alice"
    here = msgspec.structs.replace(context, **change)
    proof = offer(here).signature
    assert refuses(authenticator, msgspec.structs.replace(bound, signature=proof), here)


def test_a_binding_of_another_principal_is_refused(store, context):
    borrowed = offer(context, principal="carol", bind=True).binding
    assert refuses(PublicKeyAuthenticator(store), offer(context, binding=borrowed), context)


def test_a_binding_can_be_required(store, context):
    asked = []

    def required(principal):
        asked.append(principal)
        return principal == "alice"

    authenticator = PublicKeyAuthenticator(store, require_binding=required)
    assert refuses(authenticator, offer(context), context)
    assert authenticator.authenticate(offer(context, bind=True), context).id == "alice"
    assert authenticator.authenticate(offer(context, principal="bob", key=OTHER_KEY), context).id == "bob"
    assert refuses(authenticator, offer(context, principal="eve"), context)
    assert asked == ["alice", "alice", "bob", "eve"]
    nowhere = LoginContext(context.nonce, context.role)
    assert refuses(authenticator, offer(context, bind=True), nowhere)


def test_a_bound_proof_counts_as_bound_where_that_is_required(store, context):
    authenticator = PublicKeyAuthenticator(store, require_binding=lambda _: True)
    dialled = msgspec.structs.replace(context, host="hub.example", port=8443)
    assert authenticator.authenticate(offer(dialled, bind=True), context).id == "alice"
    assert refuses(authenticator, offer(dialled, bind=True, port=8444), context)
    assert refuses(authenticator, offer(context), context)


@pytest.mark.parametrize("proof", [Proof.UNBOUND, Proof.PAIR, Proof.BOUND])
def test_every_key_is_verified_and_compared_as_often(store, context, comparisons, monkeypatch, proof):
    here = msgspec.structs.replace(context, host="hub.example", port=8443) if proof is Proof.BOUND else context
    bind, verified = proof is not Proof.UNBOUND, []
    real = Ed25519PublicKey.verify

    def verify(self, signature, message):
        verified.append(self)
        return real(self, signature, message)

    monkeypatch.setattr(Ed25519PublicKey, "verify", verify)
    authenticator = PublicKeyAuthenticator(store)
    for credential in (
        offer(here, key=OTHER_KEY, bind=bind),
        offer(here, principal="eve", bind=bind),
        offer(here, signature=b"\x00" * 64, bind=bind),
    ):
        comparisons.clear()
        verified.clear()
        refuses(authenticator, credential, context)
        assert (len(verified), len(comparisons)) == (2 if proof is Proof.PAIR else 1, 2)


class Counting:
    def __init__(self, inner):
        self.inner, self.asked = inner, 0

    def authenticate(self, credential, context):
        self.asked += 1
        return self.inner.authenticate(credential, context)


def test_composite_asks_every_member_and_takes_any_success(store, context):
    first = Counting(TokenAuthenticator([TokenGrant.parse("alice:one:dev")]))
    second = Counting(TokenAuthenticator([TokenGrant.parse("alice:two:ops"), TokenGrant.parse("alice:one:ops")]))
    third = Counting(PublicKeyAuthenticator(store))
    composite = CompositeAuthenticator([first, second, third])
    assert composite.authenticate(TokenCredential("alice", "one"), context).roles == {"dev"}
    assert composite.authenticate(TokenCredential("alice", "two"), context).roles == {"ops"}
    assert composite.authenticate(offer(context), context).roles == {"dev"}
    assert refuses(composite, TokenCredential("alice", "three"), context)
    assert refuses(composite, Credential("alice"), context)
    assert [member.asked for member in (first, second, third)] == [5, 5, 5]


def test_composite_of_nothing_refuses(context):
    assert refuses(CompositeAuthenticator([]), TokenCredential("alice", "t"), context)


def test_members_refuse_types_they_do_not_know(store, context):
    assert refuses(TokenAuthenticator([TokenGrant.parse("alice:t:")]), offer(context), context)
    assert refuses(PublicKeyAuthenticator(store), TokenCredential("alice", "t"), context)

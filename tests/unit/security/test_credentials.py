import base64
import struct

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as RawKey
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import AuthException, ErrorCodes
from omnyshell.protocol.messages.handshake import AuthRequest
from omnyshell.security.credentials import (
    LoginContext,
    Proof,
    PublicKeyCredential,
    PublicKeyCredentialProvider,
    TokenCredential,
    TokenCredentialProvider,
    UnknownMethodException,
    credential_from_request,
)
from omnyshell.security.join_proof import join_message
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.length_prefix import length_prefixed, utf8

KEY = Ed25519PrivateKey.generate()
KEY_TEXT = KEY.public_key.to_base64()
SIGNATURE_TEXT = base64.b64encode(KEY.sign(b"nonce")).decode()


def unpad(text):
    return text.rstrip("=")


def test_token_request_and_back(context):
    request = TokenCredentialProvider("alice", "s3cret").auth_request(context, bind=True)
    assert request.to_wire() == {"method": "token", "principal": "alice", "token": "s3cret"}
    assert credential_from_request(request) == TokenCredential("alice", "s3cret")


def test_key_request_signs_the_text_of_the_nonce(context):
    request = PublicKeyCredentialProvider("alice", KEY).auth_request(context, bind=False)
    assert request.method == "publicKey"
    assert request.public_key == KEY_TEXT
    assert request.binding is None
    assert "=" not in request.public_key + request.signature
    raw = RawKey.from_public_bytes(base64.b64decode(request.public_key + "="))
    raw.verify(base64.b64decode(request.signature + "=="), context.nonce.encode())
    credential = credential_from_request(request)
    assert isinstance(credential, PublicKeyCredential)
    assert credential.public_key == KEY.public_key
    assert credential.binding is None


def test_binding_is_over_the_fields_of_section_9():
    context = LoginContext(nonce="nöncé", role="node", spki_sha256=b"\xaa" * 32)
    request = PublicKeyCredentialProvider("älice", KEY).auth_request(context, bind=True)
    fields = [b"omnyshell:auth-bind:v1", "nöncé".encode(), b"\xaa" * 32, b"node", "älice".encode()]
    message = b"".join(struct.pack(">I", len(part)) + part for part in fields)
    RawKey.from_public_bytes(KEY.public_key.raw).verify(base64.b64decode(request.binding + "=="), message)
    assert KEY.public_key.verify(credential_from_request(request).binding, message)


def test_a_bound_proof_is_one_signature_over_the_fields_of_section_10():
    context = LoginContext(nonce="nöncé", role="node", spki_sha256=b"\xaa" * 32, host="hub.example", port=8443)
    request = PublicKeyCredentialProvider("älice", KEY).auth_request(context, bind=True)
    fields = [b"omnyshell:auth-bind:v2", "nöncé".encode(), b"\xaa" * 32, b"node", "älice".encode()]
    message = b"".join(struct.pack(">I", len(part)) + part for part in [*fields, b"hub.example", b"8443"])
    assert KEY.public_key.verify(base64.b64decode(request.signature + "=="), message)
    assert (request.host, request.port, request.binding) == ("hub.example", 8443, None)
    credential = credential_from_request(request)
    assert (credential.proof, credential.host, credential.port) == (Proof.BOUND, "hub.example", 8443)
    here = LoginContext(nonce="nöncé", role="node", spki_sha256=b"\xaa" * 32)
    assert credential.is_proved(here)
    for name, other in (("nonce", "n"), ("role", "client"), ("spki_sha256", b"\xab" * 32), ("spki_sha256", None)):
        assert not credential.is_proved(msgspec.structs.replace(here, **{name: other}))
    for name, other in (("host", "hub"), ("port", 443), ("principal", "bob"), ("signature", b"\0" * 64)):
        assert not msgspec.structs.replace(credential, **{name: other}).is_proved(here)


def test_a_join_is_over_the_fields_of_its_version():
    context = LoginContext(nonce="nonce", role="node", spki_sha256=b"\xaa" * 32)
    parts = [b"nonce", b"\xaa" * 32, b"node", b"\xbb" * 32]
    assert join_message(context, b"\xbb" * 32) == length_prefixed(b"omnyshell:join:v1", *parts)
    bound = msgspec.structs.replace(context, host="hub.example", port=8443)
    assert join_message(bound, b"\xbb" * 32) == length_prefixed(b"omnyshell:join:v2", *parts, b"hub.example", b"8443")


@pytest.mark.parametrize("host", ["", "hub.example"])
def test_nothing_is_signed_before_a_binding_that_cannot_be_made(host):
    signed = []

    class Key:
        public_key = KEY.public_key

        def sign(self, message):
            signed.append(message)
            return KEY.sign(message)

    context = LoginContext(nonce="nonce", role="node", host=host, port=1 if host else 0)
    with pytest.raises(ValueError, match="public key"):
        PublicKeyCredentialProvider("alice", Key()).auth_request(context, bind=True)
    assert signed == []


def test_binding_without_the_hubs_key_is_a_mistake_of_the_caller():
    context = LoginContext(nonce="nonce", role="node")
    with pytest.raises(ValueError, match="public key"):
        PublicKeyCredentialProvider("alice", KEY).auth_request(context, bind=True)


@in_one_test(
    "request_",
    [
        AuthRequest(principal="alice"),
        AuthRequest(method="", principal="alice", token="t"),
        AuthRequest(method="password", principal="alice", token="t"),
        AuthRequest(method="Token", principal="alice", token="t"),
        AuthRequest(method="token", principal="alice"),
        AuthRequest(method="token", principal="alice", public_key=KEY_TEXT, signature=SIGNATURE_TEXT),
        AuthRequest(method="publicKey", principal="alice", token="t"),
        AuthRequest(method="publicKey", principal="alice", public_key=KEY_TEXT),
        AuthRequest(method="publicKey", principal="alice", signature=SIGNATURE_TEXT),
    ],
)
def test_unknown_method_or_missing_field(request_):
    with pytest.raises(UnknownMethodException) as caught:
        credential_from_request(request_)
    assert caught.value.code == ErrorCodes.AUTH_FAILED


@in_one_test(
    "fields",
    [
        {"method": "token", "token": ""},
        {"method": "token", "token": "t", "principal": ""},
        {"method": "publicKey", "principal": ""},
        {"method": "publicKey", "public_key": ""},
        {"method": "publicKey", "public_key": KEY_TEXT[:-2]},
        {"method": "publicKey", "public_key": "*" + KEY_TEXT[1:]},
        {"method": "publicKey", "signature": ""},
        {"method": "publicKey", "signature": SIGNATURE_TEXT[:-4]},
        {"method": "publicKey", "signature": SIGNATURE_TEXT + "\n"},
        {"method": "publicKey", "binding": "?"},
        {"method": "publicKey", "binding": KEY_TEXT},
        {"method": "publicKey", "host": "h"},
        {"method": "publicKey", "port": 443},
        {"method": "publicKey", "host": "", "port": 443},
        {"method": "publicKey", "host": "h\n", "port": 443},
        {"method": "publicKey", "host": "h", "port": 0},
        {"method": "publicKey", "host": "h", "port": 65_536},
        {"method": "publicKey", "host": "h", "port": 443, "binding": SIGNATURE_TEXT},
    ],
)
def test_undecodable_credential_is_refused_in_the_same_words(fields):
    defaults = {"principal": "alice", "public_key": KEY_TEXT, "signature": SIGNATURE_TEXT}
    with pytest.raises(AuthException) as caught:
        credential_from_request(AuthRequest(**{**defaults, **fields}))
    assert type(caught.value) is AuthException
    assert str(caught.value) == "Authentication failed"


def test_reprs_show_no_secret():
    provider = TokenCredentialProvider("alice", "s3cret")
    key_provider = PublicKeyCredentialProvider("alice", KEY)
    shown = f"{provider!r} {key_provider!r} {TokenCredential('alice', 's3cret')!r} {provider}"
    assert "s3cret" not in shown
    assert "alice" in shown


@given(st.lists(st.binary(max_size=8), max_size=5), st.lists(st.binary(max_size=8), max_size=5))
def test_length_prefixed_is_injective(one, other):
    assert (length_prefixed(*one) == length_prefixed(*other)) == (one == other)


@given(st.text(), st.text(alphabet="\ud800\udfff", max_size=2))
def test_utf8_takes_lone_surrogates(text, surrogates):
    assert utf8(text) == text.encode()
    assert utf8(text + surrogates) != utf8(text) or not surrogates

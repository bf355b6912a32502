"""Credentials: what a peer offers to prove who it is, how it is made and how it is read (wire protocol section 2).

The proof of a key is a signature over the nonce's text. The extension `auth-bind` (section 9) adds a second one
that is worth something at one hub only.
"""

from dataclasses import dataclass, field
from typing import Protocol

from omnyshell.errors import AuthException
from omnyshell.ids import PrincipalId
from omnyshell.protocol.messages.handshake import AuthRequest
from omnyshell.security.keys import (
    SIGNATURE_BYTES,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    decode_base64_lenient,
    encode_base64,
)
from omnyshell.security.length_prefix import length_prefixed, utf8
from omnyshell.security.refusal import refused

TOKEN_METHOD = "token"  # noqa: S105
PUBLIC_KEY_METHOD = "publicKey"

_BIND_TAG = b"omnyshell:auth-bind:v1"


class UnknownMethodException(AuthException):
    """The method is not one we know, or the request lacks its field: answered by a fatal `error`, not `auth.fail`."""

    def __init__(self) -> None:
        super().__init__("Unknown authentication method")


@dataclass(frozen=True, slots=True)
class LoginContext:
    """The connection a login belongs to. Both ends hold the same values, unless something sits between them.

    `role` is what the peer says in its `hello`. `spki_sha256` is the SHA-256 of the SubjectPublicKeyInfo in the
    hub's leaf certificate; None where it is not known.
    """

    nonce: str
    role: str
    spki_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """What a peer offers; the principal is a claim until an authenticator accepts it."""

    principal: PrincipalId


@dataclass(frozen=True, slots=True)
class TokenCredential(Credential):
    """A shared secret."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKeyCredential(Credential):
    """The possession of a private key, proved by signatures."""

    public_key: Ed25519PublicKey
    signature: bytes = field(repr=False)
    binding: bytes | None = field(default=None, repr=False)


def credential_from_request(request: AuthRequest) -> Credential:
    """Read the credential in a request.

    Raises `UnknownMethodException` for a method that is not known or whose field is missing, and `AuthException`,
    always in the same words, for one that cannot be decoded or is empty.
    """
    if request.method == TOKEN_METHOD and request.token is not None:
        return _token_credential(request.principal, request.token)
    if request.method == PUBLIC_KEY_METHOD and request.public_key is not None and request.signature is not None:
        return _key_credential(request.principal, request.public_key, request.signature, request.binding)
    raise UnknownMethodException


def _token_credential(principal: str, token: str) -> TokenCredential:
    if not principal or not token:
        raise refused()
    return TokenCredential(PrincipalId(principal), token)


def _key_credential(principal: str, public_key: str, signature: str, binding: str | None) -> PublicKeyCredential:
    if not principal:
        raise refused()
    return PublicKeyCredential(
        PrincipalId(principal),
        Ed25519PublicKey.from_base64(public_key),
        _signature(signature),
        None if binding is None else _signature(binding),
    )


def _signature(text: str) -> bytes:
    try:
        signature = decode_base64_lenient(text)
    except ValueError as exc:
        raise refused() from exc
    if len(signature) != SIGNATURE_BYTES:
        raise refused()
    return signature


def proof_message(context: LoginContext) -> bytes:
    """What the signature of a public-key login is over."""
    return utf8(context.nonce)


def binding_message(context: LoginContext, principal: PrincipalId) -> bytes:
    """What the `binding` of a public-key login is over. Raises `ValueError` without the hub's key in the context."""
    if context.spki_sha256 is None:
        raise ValueError("a binding needs the hash of the hub's public key")
    return length_prefixed(_BIND_TAG, utf8(context.nonce), context.spki_sha256, utf8(context.role), utf8(principal))


class CredentialProvider(Protocol):
    """Makes the credential for one login."""

    def auth_request(self, context: LoginContext, *, bind: bool) -> AuthRequest:
        """The request to send.

        `bind` is set where the hub announced `auth-bind` and the certificate came from it, not from a proxy; the
        context then holds `spki_sha256`, or a provider that needs it raises `ValueError`.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenCredentialProvider:
    """Logs in with a token."""

    principal: PrincipalId
    token: str = field(repr=False)

    def auth_request(self, context: LoginContext, *, bind: bool) -> AuthRequest:  # noqa: ARG002
        """The request to send; a token is bound to nothing."""
        return AuthRequest(method=TOKEN_METHOD, principal=self.principal, token=self.token)


@dataclass(frozen=True, slots=True)
class PublicKeyCredentialProvider:
    """Logs in with a private key."""

    principal: PrincipalId
    private_key: Ed25519PrivateKey = field(repr=False)

    def auth_request(self, context: LoginContext, *, bind: bool) -> AuthRequest:
        """The request to send, with a binding to this hub where `bind` is set."""
        sign = self.private_key.sign
        binding = encode_base64(sign(binding_message(context, self.principal))) if bind else None
        return AuthRequest(
            method=PUBLIC_KEY_METHOD,
            principal=self.principal,
            public_key=self.private_key.public_key.to_base64(),
            signature=encode_base64(sign(proof_message(context))),
            binding=binding,
        )

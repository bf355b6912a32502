"""Credentials: how a peer makes them to prove who it is, and how a hub reads them (docs/protocol.md#credentials).

A key is proved by a signature. With the extension `auth-bind-2` the signature names the hub, the role, the principal,
and the host and port that were dialled, so that it is useless anywhere else. Older hubs take a signature over the
nonce's text alone, or with the extension `auth-bind` a second signature beside it.
"""

import re
from collections.abc import Awaitable
from enum import StrEnum
from typing import Protocol

import msgspec

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
from omnyshell.security.public_keys import MOST_COUNTER, MOST_FLAGS, TOUCHED, VERIFIED, SecurityKey
from omnyshell.security.refusal import refused

TOKEN_METHOD = "token"  # noqa: S105
PUBLIC_KEY_METHOD = "publicKey"

_BIND_TAG = b"omnyshell:auth-bind:v1"
_BOUND_TAG = b"omnyshell:auth-bind:v2"

_HOST = re.compile(r"[!-~]{1,255}")
"""A dialled host: visible ASCII without spaces, so that it can be logged."""

_HIGHEST_PORT = 65_535


class Proof(StrEnum):
    """The kind of proof that a key gives in a login."""

    UNBOUND = "unbound"
    """A signature over the nonce's text alone: another hub could relay the nonce, and use the signature."""

    PAIR = "auth-bind"
    """The signature of `UNBOUND`, and a second one that names the hub's key, the role and the principal."""

    BOUND = "auth-bind-2"
    """One signature that names all that the second one of `PAIR` names, and the host and port that were dialled."""

    TOUCHED = "touched"
    """That of `BOUND`, by a hardware token that somebody touched (extension `security-keys`)."""

    VERIFIED = "verified"
    """The same, by a token that knew its owner besides."""

    @property
    def is_bound(self) -> bool:
        """Whether it names the host and port that were dialled."""
        return self not in (Proof.UNBOUND, Proof.PAIR)


class UnknownMethodException(AuthException):
    """The method is not one we know, or the request lacks its field: answered by a fatal `error`, not `auth.fail`."""

    def __init__(self) -> None:
        super().__init__("Unknown authentication method")


class LoginContext(msgspec.Struct, frozen=True):
    """The connection a login belongs to. Both ends hold the same values, unless something sits between them.

    `role` is the role in the peer's `hello`. `spki_sha256` is the SHA-256 of the SubjectPublicKeyInfo in the hub's leaf
    certificate; None where it is not known. `host` (lower case, no brackets, ASCII) and `port` are what the peer
    dialled, where its proof is to name them (extension `auth-bind-2`); empty and 0 otherwise.
    """

    nonce: str
    role: str
    spki_sha256: bytes | None = None
    host: str = ""
    port: int = 0
    announced: frozenset[str] = frozenset()
    """The extensions that the hub announced, for whoever makes a proof; no proof names them."""


class _OfPrincipal(msgspec.Struct, frozen=True):
    """Base of values that belong to a principal; their `repr` shows its name alone."""

    principal: PrincipalId

    def __repr__(self) -> str:
        return f"{type(self).__name__}(principal={self.principal!r})"


class Credential(_OfPrincipal, frozen=True):
    """What a peer offers; the principal is a claim until an authenticator accepts it."""


class TokenCredential(Credential, frozen=True):
    """A shared secret."""

    token: str


class PublicKeyCredential(Credential, frozen=True):
    """The possession of a private key, proved by signatures."""

    public_key: Ed25519PublicKey
    signature: bytes
    binding: bytes | None = None
    host: str = ""
    port: int = 0
    """The port that was dialled, in a proof that names it."""

    @property
    def proof(self) -> Proof:
        """How the key proves itself."""
        if self.host:
            return Proof.BOUND
        return Proof.UNBOUND if self.binding is None else Proof.PAIR

    def is_proved(self, context: LoginContext) -> bool:
        """Tell whether every signature given is the key's, and for this connection. Never raises."""
        verify = self.public_key.verify
        if self.host:
            dialled = msgspec.structs.replace(context, host=self.host, port=self.port)
            return context.spki_sha256 is not None and verify(self.signature, bound_message(dialled, self.principal))
        proved = verify(self.signature, proof_message(context))
        if self.binding is None:
            return proved
        bound = context.spki_sha256 is not None and verify(self.binding, binding_message(context, self.principal))
        return proved and bound


class SecurityKeyCredential(Credential, frozen=True):
    """The possession of a hardware token, which somebody touched for this login."""

    public_key: SecurityKey
    signature: bytes
    flags: int
    counter: int
    host: str
    port: int
    """The port that was dialled."""

    @property
    def proof(self) -> Proof:
        """Whether the token also knew its owner."""
        return Proof.VERIFIED if self.flags & VERIFIED else Proof.TOUCHED

    def is_proved(self, context: LoginContext) -> bool:
        """Tell whether the signature is the token's, for this connection, and after a touch. Never raises."""
        if context.spki_sha256 is None:
            return False
        dialled = msgspec.structs.replace(context, host=self.host, port=self.port)
        signed = bound_message(dialled, self.principal)
        is_right = self.public_key.verify(self.signature, signed, self.flags, self.counter)
        return is_right and bool(self.flags & TOUCHED)


def credential_from_request(request: AuthRequest) -> Credential:
    """Read the credential in a request.

    Raises `UnknownMethodException` for a method that is not known or whose field is missing, and `AuthException`,
    always in the same words, for one that cannot be decoded or is empty.
    """
    if request.method == TOKEN_METHOD and request.token is not None:
        return _token_credential(request.principal, request.token)
    if request.method == PUBLIC_KEY_METHOD and request.public_key is not None and request.signature is not None:
        return _key_credential(request, request.public_key, request.signature)
    raise UnknownMethodException


def _token_credential(principal: str, token: str) -> TokenCredential:
    if not principal or not token:
        raise refused()
    return TokenCredential(PrincipalId(principal), token)


def _key_credential(
    request: AuthRequest, public_key: str, signature: str
) -> PublicKeyCredential | SecurityKeyCredential:
    if not request.principal:
        raise refused()
    host, port = dialled_in(request.host, request.port)
    # A proof of `auth-bind-2` has no second signature beside it.
    if host and request.binding is not None:
        raise refused()
    if (request.application, request.flags, request.counter) != (None, None, None):
        return _token_holders_credential(request, public_key, signature, host, port)
    return PublicKeyCredential(
        PrincipalId(request.principal),
        Ed25519PublicKey.from_base64(public_key),
        _signature(signature),
        None if request.binding is None else _signature(request.binding),
        host,
        port,
    )


def _token_holders_credential(
    request: AuthRequest, public_key: str, signature: str, host: str, port: int
) -> SecurityKeyCredential:
    """Read the proof of a hardware token, which is always bound. Raises `AuthException`."""
    application, flags, counter = request.application, request.flags, request.counter
    if application is None or flags is None or counter is None or not host:
        raise refused()
    if not (0 <= flags <= MOST_FLAGS and 0 <= counter <= MOST_COUNTER):
        raise refused()
    key = SecurityKey(Ed25519PublicKey.from_base64(public_key).raw, application)
    return SecurityKeyCredential(PrincipalId(request.principal), key, _signature(signature), flags, counter, host, port)


def dialled_in(host: str | None, port: int | None) -> tuple[str, int]:
    """Return the host and port that a request says were dialled, or empty and 0.

    Raises `AuthException` for wrong values.
    """
    if host is None and port is None:
        return "", 0
    if host is None or port is None or not _HOST.fullmatch(host) or not 0 < port <= _HIGHEST_PORT:
        raise refused()
    return host, port


def _signature(text: str) -> bytes:
    try:
        signature = decode_base64_lenient(text)
    except ValueError as exc:
        raise refused() from exc
    if len(signature) != SIGNATURE_BYTES:
        raise refused()
    return signature


def proof_message(context: LoginContext) -> bytes:
    """The bytes that an unbound public-key login signs."""
    return utf8(context.nonce)


def binding_message(context: LoginContext, principal: PrincipalId) -> bytes:
    """The bytes that the `binding` of a public-key login signs.

    Raises `ValueError` without the hub's key in the context.
    """
    if context.spki_sha256 is None:
        raise ValueError("a binding needs the hash of the hub's public key")
    return length_prefixed(_BIND_TAG, utf8(context.nonce), context.spki_sha256, utf8(context.role), utf8(principal))


def bound_message(context: LoginContext, principal: PrincipalId) -> bytes:
    """The bytes that a public-key login signs with `auth-bind-2`.

    Raises `ValueError` without the hub's key in the context.
    """
    return length_prefixed(_BOUND_TAG, utf8(context.nonce), *place_fields(context, utf8(principal)))


def place_fields(context: LoginContext, whose: bytes) -> tuple[bytes, ...]:
    """The fields that follow the nonce in a bound signature.

    They name the hub's key, the role, `whose`, and the host and port dialled.

    Raises `ValueError` without the hub's key in the context.
    """
    if context.spki_sha256 is None:
        raise ValueError("a bound signature needs the hash of the hub's public key")
    return (context.spki_sha256, utf8(context.role), whose, utf8(context.host), str(context.port).encode())


class CredentialProvider(Protocol):
    """Makes the credential for one login."""

    def auth_request(self, context: LoginContext, *, bind: bool) -> AuthRequest | Awaitable[AuthRequest]:
        """The request to send, at once or when it is made; who is awaited has a deadline of its own.

        `bind` is set where the hub announced `auth-bind` or `auth-bind-2`; the context then holds `spki_sha256`, and
        for the latter `host` and `port` too: then the key signs once, and the signature names them.
        """
        ...


class TokenCredentialProvider(_OfPrincipal, frozen=True):
    """Logs in with a token."""

    token: str

    def auth_request(self, context: LoginContext, *, bind: bool) -> AuthRequest:  # noqa: ARG002
        """The request to send; a token cannot be bound to a hub."""
        return AuthRequest(method=TOKEN_METHOD, principal=self.principal, token=self.token)


class PublicKeyCredentialProvider(_OfPrincipal, frozen=True):
    """Logs in with a private key."""

    private_key: Ed25519PrivateKey

    def auth_request(self, context: LoginContext, *, bind: bool) -> AuthRequest:
        """The request to send, bound to this hub where `bind` is set; without the hub's key, `ValueError` is raised."""
        if bind and context.host:
            signature = self._signed(bound_message(context, self.principal))
            return self._request(signature, host=context.host, port=context.port)
        # The binding is made first, so that nothing is signed where it cannot be made.
        binding = self._signed(binding_message(context, self.principal)) if bind else None
        return self._request(self._signed(proof_message(context)), binding=binding)

    def _signed(self, message: bytes) -> str:
        return encode_base64(self.private_key.sign(message))

    def _request(
        self, signature: str, *, binding: str | None = None, host: str | None = None, port: int | None = None
    ) -> AuthRequest:
        return AuthRequest(
            method=PUBLIC_KEY_METHOD,
            principal=self.principal,
            public_key=self.private_key.public_key.to_base64(),
            signature=signature,
            binding=binding,
            host=host,
            port=port,
        )

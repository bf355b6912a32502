"""The extensions `admin`, `auth-bind` and `auth-bind-2` as raw peers speak them, from docs/extensions.md alone."""

import base64
import hashlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.raw_peer import RawPeer, stranger
from support.stack import Certificates

ADMIN = ("admin",)


async def ask(peer: RawPeer, type_: str, expected: str = "admin.result", /, **data: Any) -> dict[str, Any]:
    await peer.say(type_, {"requestId": "r1", **data})
    answer = (await peer.hear(expected))["d"]
    assert answer.pop("requestId") == "r1"
    return answer


def fields(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def spki_hash(peer: RawPeer) -> bytes:
    der = peer.ws.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    key = x509.load_der_x509_certificate(der).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def dialled(peer: RawPeer) -> tuple[str, int]:
    """Where a raw peer connected to."""
    return "127.0.0.1", int(peer.ws.remote_address[1])


async def try_join(
    certificates: Certificates,
    port: int,
    role: str,
    token: str,
    key: Ed25519PrivateKey,
    at: tuple[str, int] | None = None,
    sent: dict[str, Any] | None = None,
    **data: Any,
) -> tuple[dict[str, Any], int]:
    """One join, bound to an address where one is given; the answer and the close code."""
    async with stranger(certificates, port) as peer:
        assert "admin" in peer.hub_hello["d"]["info"]["features"]
        await peer.greet(role, features=["admin"])
        nonce, token_hash = peer.hub_hello["d"]["nonce"].encode(), hashlib.sha256(token.encode()).digest()
        parts = (nonce, spki_hash(peer), role.encode(), token_hash)
        message = fields(b"omnyshell:join:v1", *parts)
        request = {"token": token, "publicKey": b64(key.public_key().public_bytes_raw())}
        if at is not None:
            message = fields(b"omnyshell:join:v2", *parts, at[0].encode(), str(at[1]).encode())
            request |= {"host": at[0], "port": at[1]}  # type: ignore[dict-item]
        await peer.say("join.request", {**request, "signature": b64(key.sign(message)), **data, **(sent or {})})
        answer = await peer.hear()
        return answer, (await peer.hear_close())[0]


async def log_in(
    peer: RawPeer,
    role: str,
    principal: str,
    key: Ed25519PrivateKey,
    *,
    proof: int = 1,
    signed: dict[str, Any] | None = None,
    sent: dict[str, Any] | None = None,
) -> Any:
    """Log in by a proof of version 0 (the nonce alone), 1 (a pair) or 2; returns the answer.

    `signed` takes the place of what is signed: `nonce`, `spki`, `role`, `principal`, `host`, `port`; `sent` that of
    fields of the request.
    """
    await peer.greet(role)
    await peer.say("auth.request", proof_request(peer, role, principal, key, proof, signed or {}) | (sent or {}))
    return await peer.hear()


def proof_request(
    peer: RawPeer, role: str, principal: str, key: Ed25519PrivateKey, proof: int, changes: dict[str, Any]
) -> dict[str, Any]:
    """What `log_in` sends."""
    host, port = dialled(peer)
    signed = {
        "nonce": peer.hub_hello["d"]["nonce"], "spki": spki_hash(peer), "role": role, "principal": principal,
        "host": host, "port": port,
    } | changes  # fmt: skip
    nonce = signed["nonce"].encode()
    parts = (nonce, signed["spki"], signed["role"].encode(), signed["principal"].encode())
    place = (signed["host"].encode(), str(signed["port"]).encode())
    request = {
        "method": "publicKey", "principal": principal, "publicKey": b64(key.public_key().public_bytes_raw()),
    }  # fmt: skip
    if proof == 2:
        signature = key.sign(fields(b"omnyshell:auth-bind:v2", *parts, *place))
        return request | {"signature": b64(signature), "host": signed["host"], "port": signed["port"]}
    request["signature"] = b64(key.sign(nonce))
    if proof == 1:
        request["binding"] = b64(key.sign(fields(b"omnyshell:auth-bind:v1", *parts)))
    return request

"""The extensions `admin` and `auth-bind` as raw peers speak them, from docs/extensions.md alone."""

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


async def try_join(
    certificates: Certificates, port: int, role: str, token: str, key: Ed25519PrivateKey, **data: Any
) -> tuple[dict[str, Any], int]:
    """One join; the answer and the close code."""
    async with stranger(certificates, port) as peer:
        assert "admin" in peer.hub_hello["d"]["info"]["features"]
        await peer.greet(role, features=["admin"])
        parts = (peer.hub_hello["d"]["nonce"].encode(), spki_hash(peer), role.encode())
        message = fields(b"omnyshell:join:v1", *parts, hashlib.sha256(token.encode()).digest())
        request = {"token": token, "publicKey": b64(key.public_key().public_bytes_raw())}
        await peer.say("join.request", {**request, "signature": b64(key.sign(message)), **data})
        answer = await peer.hear()
        return answer, (await peer.hear_close())[0]


async def log_in(peer: RawPeer, role: str, principal: str, key: Ed25519PrivateKey, *, bind: bool = True) -> Any:
    nonce = peer.hub_hello["d"]["nonce"].encode()
    bound = fields(b"omnyshell:auth-bind:v1", nonce, spki_hash(peer), role.encode(), principal.encode())
    request = {
        "method": "publicKey",
        "principal": principal,
        "publicKey": b64(key.public_key().public_bytes_raw()),
        "signature": b64(key.sign(nonce)),
    }
    await peer.greet(role)
    await peer.say("auth.request", request | ({"binding": b64(key.sign(bound))} if bind else {}))
    return await peer.hear()

"""The encrypted evidence of logins, in what the hub keeps over its end.

A token chosen by a person could be guessed from its hash. So evidence is encrypted with a key in a file beside the
database: a copy of the database alone does not help to guess.
"""

import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from omnyshell.errors import ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.security.authenticators import Evidence
from omnyshell.security.credentials import Proof
from omnyshell.security.files import read_private, write_private

_NONCE_SIZE = 12


class EvidenceSeal:
    """Encrypts evidence for one place, so that the evidence of one session cannot be decrypted as another's."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    @classmethod
    def load(cls, path: Path) -> "EvidenceSeal":
        """Read the key, or create one. Raises `ConfigException` if it cannot be used."""
        key = read_private(path)
        if key is None:
            key = ChaCha20Poly1305.generate_key()
            write_private(path, key)
        try:
            return cls(key)
        except ValueError as exc:
            raise ConfigException(f"{path} is no key: remove it, and what waits for its owners ends") from exc

    def seal(self, evidence: Evidence, place: bytes) -> bytes:
        """Encrypt."""
        nonce = os.urandom(_NONCE_SIZE)
        plain = json.dumps([evidence.method, evidence.secret.hex(), evidence.proof])
        return nonce + self._cipher.encrypt(nonce, plain.encode(), place)

    def open(self, sealed: bytes, place: bytes, principal: PrincipalId) -> Evidence:
        """Decrypt. If that fails, return evidence that no authenticator upholds."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], place)
            method, secret, proof = json.loads(plain)
            return Evidence(principal, method, bytes.fromhex(secret), Proof(proof) if proof is not None else None)
        except (InvalidTag, ValueError):
            return Evidence(principal, "", b"")

"""The SSH host keys of a node: one for each user of its machine, which stay as long as its state directory.

sshd runs as the user, who can therefore read the key. So nobody gets that of another user, with which one could sit in
between their connections: all come from a secret of the node's, by HKDF over the user's name.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from omnyshell.errors import ConfigException
from omnyshell.security.files import changing, read_private, write_private
from omnyshell.security.keys import KEY_BYTES, Ed25519PublicKey
from omnyshell.security.length_prefix import length_prefixed, utf8

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519

_TAG = b"omnyshell:ssh-host-key:v1"


class HostKeys:
    """Derives the keys of users from a secret that is made once, and kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of_node(cls, state_dir: Path, node_id: str) -> Self:
        """Return those of a node, by its state directory."""
        return cls(state_dir / f"ssh-host-secret-{node_id}")

    def public_key(self, user: str) -> Ed25519PublicKey:
        """Return a user's public host key. Raises `ConfigException` where the secret cannot be had."""
        return Ed25519PublicKey(self._private(user).public_key().public_bytes_raw())

    def in_ssh_form(self, user: str) -> str:
        """Return a user's private host key, as OpenSSH reads it. Raises as `public_key` does."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._private(user).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()

    def _private(self, user: str) -> "ed25519.Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        info = length_prefixed(_TAG, utf8(user))
        return ed25519.Ed25519PrivateKey.from_private_bytes(HKDF(SHA256(), KEY_BYTES, None, info).derive(self._secret))

    @cached_property
    def _secret(self) -> bytes:
        with changing(self._path):
            secret = read_private(self._path)
            if secret is None:
                secret = os.urandom(KEY_BYTES)
                write_private(self._path, secret)
        if len(secret) != KEY_BYTES:
            raise ConfigException(f"{self._path} is damaged: remove it, and clients of ssh have to accept other keys")
        return secret

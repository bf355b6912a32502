"""The key with which this user logs in by ssh from this machine: at nodes it is good for one connection each time."""

import binascii
from pathlib import Path

from omnyshell.errors import ConfigException, Remedy
from omnyshell.security.files import changing, read_private, write_private
from omnyshell.security.keys import KEY_BYTES, Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.security.public_keys import in_ssh_form


class OwnKey:
    """The file of the key, and beside it that of its public part."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "id_ed25519"
        self._public = directory / "id_ed25519.pub"

    def make(self) -> None:
        """Make the key, unless it is there. Raises `ConfigException`."""
        with changing(self.path):
            if read_private(self.path) is None:
                key = Ed25519PrivateKey.generate()
                write_private(self._public, f"{in_ssh_form(key.public_key)} omnyshell\n".encode())
                write_private(self.path, key.in_ssh_form())

    def public(self) -> Ed25519PublicKey:
        """Return the public part. Raises `ConfigException` where it is missing."""
        line = read_private(self._public)
        if line is None:
            raise ConfigException(f"there is no key for ssh: {self._public}").advising(Remedy.MAKE_SSH_KEY)
        try:
            return Ed25519PublicKey(binascii.a2b_base64(line.split()[1])[-KEY_BYTES:])
        except (ValueError, IndexError) as exc:
            raise ConfigException(f"{self._public} holds no key of ssh-ed25519") from exc

"""A stream that is encrypted and authenticated in pieces, under a passphrase or for an X25519 public key.

The head is `MAGIC`, a letter for the kind, and 32 bytes: scrypt's salt, or the public key of a pair made for this
stream alone. Pieces of 64 KiB follow, the last one shorter or equal, each encrypted with ChaCha20-Poly1305. A piece's
nonce is its number and whether it is the last; the head is the additional data of each. So nothing can be changed, cut
or added.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from omnyshell.errors import ConfigException, Remedy
from omnyshell.security.files import write_private
from omnyshell.security.key_files import check_free, read_key_file
from omnyshell.security.keys import decode_base64_lenient, encode_base64

MAGIC = b"omnyshell sealed 1\n"
PIECE = 64 * 1024
"""Bytes of plain text in each piece."""

_TAG, _RANDOM, _KEY_BYTES = 16, 32, 32
_HEAD = len(MAGIC) + 1 + _RANDOM
_TOLD = {
    b"P": (Remedy.LEAVE_OUT_KEY, "the backup is encrypted to a passphrase, and not to a key"),
    b"K": (Remedy.GIVE_BACKUP_KEY, "the backup is encrypted to a key, and not to a passphrase"),
}
_SCRYPT_COST, _SCRYPT_BLOCK = 2**17, 8  # 128 MiB, and some tenths of a second a try.


class Lock(Protocol):
    """Makes the key of a new stream."""

    kind: bytes
    told: str
    """Names the intended reader in messages."""

    def begin(self) -> tuple[bytes, bytes]:
        """Return the 32 bytes of the head, and the key."""


class Unlock(Protocol):
    """Makes the key of an existing stream."""

    kind: bytes
    wrong: str
    """The error for a passphrase or key that may be the wrong one."""

    def key_for(self, random: bytes) -> bytes:
        """Return the key for the 32 bytes of a head. Raises `ValueError` where they lead to none."""


class Passphrase:
    """Locks and unlocks by scrypt."""

    kind = b"P"
    told = "encrypted to a passphrase"
    wrong = "the passphrase is wrong, or the file is damaged"

    def __init__(self, passphrase: bytes) -> None:
        self._passphrase = passphrase

    def begin(self) -> tuple[bytes, bytes]:
        """See `Lock`."""
        salt = os.urandom(_RANDOM)
        return salt, self.key_for(salt)

    def key_for(self, random: bytes) -> bytes:
        """See `Unlock`."""
        return Scrypt(random, _KEY_BYTES, _SCRYPT_COST, _SCRYPT_BLOCK, 1).derive(self._passphrase)


class Recipient:
    """Locks for whoever has the private key."""

    kind = b"K"

    def __init__(self, public: X25519PublicKey) -> None:
        self._public = public
        self.told = f"encrypted to the key {encode_base64(public.public_bytes_raw())}"

    @classmethod
    def read(cls, text: str) -> "Recipient":
        """Read the key in base64. Raises `ConfigException`."""
        try:
            return cls(X25519PublicKey.from_public_bytes(decode_base64_lenient(text.strip())))
        except ValueError as exc:
            raise ConfigException("this is no key for backups in base64").advising(Remedy.MAKE_BACKUP_KEY) from exc

    def begin(self) -> tuple[bytes, bytes]:
        """See `Lock`. Raises `ConfigException` for a key that leads to no secret."""
        mine = X25519PrivateKey.generate()
        random = mine.public_key().public_bytes_raw()
        try:
            return random, _agreed(mine, self._public, random, self._public)
        except ValueError as exc:
            raise ConfigException("this key cannot be used").advising(Remedy.MAKE_BACKUP_KEY) from exc


class RecipientKey:
    """Unlocks by the private key."""

    kind = b"K"
    wrong = "the file is for another key, or damaged"

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def load(cls, path: Path) -> "RecipientKey":
        """Read a key file. Raises `ConfigException`."""
        try:
            private = serialization.load_pem_private_key(read_key_file(path), None)
        except (ValueError, TypeError) as exc:
            raise ConfigException(f"{path} holds no private key in PEM") from exc
        if not isinstance(private, X25519PrivateKey):
            raise ConfigException(f"{path} holds a private key, but none for backups").advising(Remedy.MAKE_BACKUP_KEY)
        return cls(private)

    def key_for(self, random: bytes) -> bytes:
        """See `Unlock`."""
        return _agreed(self._private, X25519PublicKey.from_public_bytes(random), random, self._private.public_key())


def make_recipient(path: Path) -> str:
    """Write a new private key, and return its public one in base64. Raises `ConfigException`, also where a file is."""
    check_free(path)
    private = X25519PrivateKey.generate()
    pkcs8 = serialization.PrivateFormat.PKCS8
    write_private(path, private.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()))
    return encode_base64(private.public_key().public_bytes_raw())


class SealingStream:
    """Encrypts what is written; only `finish` makes the stream complete."""

    def __init__(self, file: BinaryIO, lock: Lock) -> None:
        random, key = lock.begin()
        self._file, self._head = file, MAGIC + lock.kind + random
        self._cipher, self._number = ChaCha20Poly1305(key), 0
        self._waiting = bytearray()
        file.write(self._head)

    def write(self, data: bytes) -> None:
        """Encrypt and write bytes, except for the last piece, which `finish` writes."""
        self._waiting += data
        # One piece is held back: the last one is marked, and only `finish` knows it.
        while len(self._waiting) > PIECE:
            self._put(bytes(self._waiting[:PIECE]), is_last=False)
            del self._waiting[:PIECE]

    def finish(self) -> None:
        """Write the last piece."""
        self._put(bytes(self._waiting), is_last=True)

    def _put(self, piece: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), piece, self._head))
        self._number += 1


class SealedFile:
    """A stream in a file, which can be read several times. Errors quote nothing of its contents."""

    def __init__(self, file: BinaryIO, unlock: Unlock) -> None:
        """Read the head. Raises `ConfigException` where it is no such file, or needs the other kind of `unlock`."""
        self._file, self._wrong = file, unlock.wrong
        self._head = file.read(_HEAD)
        check_kind(self._head, unlock.kind)
        random = self._head[-_RANDOM:]
        try:
            self._cipher = ChaCha20Poly1305(unlock.key_for(random))
        except ValueError as exc:
            raise ConfigException(self._wrong) from exc

    def pieces(self) -> Iterator[bytes]:
        """Yield the contents from the beginning on. Raises `ConfigException` at the first piece that is not whole."""
        self._file.seek(_HEAD)
        number, piece = 0, self._file.read(PIECE + _TAG)
        while True:
            following = self._file.read(PIECE + _TAG)
            yield self._opened(number, piece, is_last=not following)
            if not following:
                return
            number, piece = number + 1, following

    def _opened(self, number: int, piece: bytes, *, is_last: bool) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(number, is_last=is_last), piece, self._head)
        except InvalidTag as exc:
            where = f"the file is damaged or was cut, at byte {_HEAD + number * (PIECE + _TAG)} or behind"
            raise ConfigException(where if number else self._wrong) from exc


def check_kind(head: bytes, kind: bytes) -> None:
    """Check the first bytes of a file (64 are enough) for `MAGIC` and the kind of unlocking.

    Raises `ConfigException`.
    """
    found = head[len(MAGIC) : len(MAGIC) + 1]
    if len(head) < _HEAD or not head.startswith(MAGIC) or found not in _TOLD:
        raise ConfigException("this is no backup, or its beginning is damaged")
    if found != kind:
        remedy, text = _TOLD[found]
        raise ConfigException(text).advising(remedy)


def _agreed(private: X25519PrivateKey, public: X25519PublicKey, random: bytes, recipient: X25519PublicKey) -> bytes:
    salt = random + recipient.public_bytes_raw()
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt, MAGIC).derive(private.exchange(public))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])

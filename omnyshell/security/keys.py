"""Ed25519 keys, and base64 as peers write it (docs/protocol.md#credentials).

`cryptography` is imported when a key first signs, verifies or is loaded: a client that logs in with a token
never pays for it.
"""

import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.security.files import write_private
from omnyshell.security.key_files import check_free, decode_private_key, encode_private_key, read_key_file
from omnyshell.security.refusal import refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_MALFORMED_SIGNATURE = b"\xff" * SIGNATURE_BYTES

_BASE64 = re.compile(r"([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)(={0,2})")
_URL_SAFE_TO_STANDARD = str.maketrans("-_", "+/")


def encode_base64(data: bytes) -> str:
    """Return base64 as we send it: standard alphabet, no padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").decode()


def decode_base64_lenient(text: str) -> bytes:
    """Decode base64 as peers may send it: padded or not, standard or URL-safe alphabet.

    Otherwise strict: one spelling for each value, so no white space, no mixed alphabets, no wrong padding, no
    stray bits in the last character. Raises `ValueError`, whose text does not show the input.
    """
    match = _BASE64.fullmatch(text)
    if match is None:
        raise ValueError("not base64")
    body, padding = match.group(1).translate(_URL_SAFE_TO_STANDARD), match.group(2)
    needed = -len(body) % 4
    if needed == 3 or len(padding) not in (0, needed):
        raise ValueError("not base64: wrong length")
    data = binascii.a2b_base64(body + "=" * needed)
    if encode_base64(data) != body:
        raise ValueError("not base64: stray bits at the end")
    return data


class Ed25519PublicKey(msgspec.Struct, frozen=True):
    """A public key: its 32 bytes. Raises `AuthException` for any other number of them."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise refused()

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """Read a key from base64, see `decode_base64_lenient`. Raises `AuthException`."""
        try:
            return cls(decode_base64_lenient(text))
        except ValueError as exc:
            raise refused() from exc

    @property
    def identity(self) -> bytes:
        """32 bytes that stand for the key: itself."""
        return self.raw

    def to_base64(self) -> str:
        """The key as it is sent and kept in files: standard alphabet, no padding."""
        return encode_base64(self.raw)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` is this key's over `message`. Never raises.

        Takes as long for a right signature as for a wrong one.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ed25519

        try:
            key = ed25519.Ed25519PublicKey.from_public_bytes(self.raw)
            key.verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        # A wrong signature costs an exception, which can be measured, so a right one must cost one too. This one is
        # refused before any arithmetic.
        try:
            key.verify(_MALFORMED_SIGNATURE, b"")
        except InvalidSignature:
            return True
        return False


class Ed25519PrivateKey:
    """A private key. Its text forms never show it."""

    __slots__ = ("_key",)

    def __init__(self, key: "ed25519.Ed25519PrivateKey") -> None:
        self._key = key

    @classmethod
    def generate(cls) -> Self:
        """Make a fresh key."""
        from cryptography.hazmat.primitives.asymmetric import ed25519

        return cls(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path, passphrase: bytes | None = None) -> Self:
        """Read a key file, PKCS #8 in PEM or OpenSSH's, see `key_files`; a plain one needs no passphrase.

        Raises `PassphraseException` where the passphrase is missing or wrong, `ConfigException` when the file is
        missing, holds anything else, or is open to other users.
        """
        return cls(decode_private_key(read_key_file(path), passphrase, path))

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the key of 32 bytes of `seed`. Raises `ConfigException` for any other number of them."""
        from cryptography.hazmat.primitives.asymmetric import ed25519

        if len(seed) != KEY_BYTES:
            raise ConfigException(f"a key has {KEY_BYTES} bytes, and not {len(seed)}")
        return cls(ed25519.Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def seed(self) -> bytes:
        """The 32 bytes that the key comes from: as secret as the key."""
        return self._key.private_bytes_raw()

    def save(self, path: Path, *, passphrase: bytes | None = None, overwrite: bool = False) -> None:
        """Write the key as PEM (PKCS #8), mode 0600, under the passphrase where there is one.

        Raises `ConfigException` when it cannot be written, or when the file exists and `overwrite` is not given.
        """
        if not overwrite:
            check_free(path)
        write_private(path, encode_private_key(self._key, passphrase))

    def in_ssh_form(self) -> bytes:
        """Return the key as OpenSSH's files have it, without a passphrase."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key that verifies what this one signs."""
        return Ed25519PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`: 64 bytes."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return "Ed25519PrivateKey(...)"

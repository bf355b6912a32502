"""Public keys that log in, of both kinds, and how OpenSSH writes them: Ed25519 keys, and those of hardware tokens.

What a hardware token signs (`sk-ssh-ed25519@openssh.com`, PROTOCOL.u2f of OpenSSH) is not the message itself, but
hashes of it and of the key's application, with flags and a counter between them.
"""

import binascii
import hashlib
from typing import TypeAlias

import msgspec

from omnyshell.errors import AuthException, ConfigException
from omnyshell.security.keys import KEY_BYTES, Ed25519PublicKey, encode_base64
from omnyshell.security.length_prefix import FieldReader, length_prefixed
from omnyshell.security.refusal import refused

ED25519 = "ssh-ed25519"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"

TYPES = (ED25519, SK_ED25519)
"""The types of keys that can log in."""

TOUCHED, VERIFIED = 0x01, 0x04
"""Flags of a signature: somebody touched the token, and it knew its owner, by a PIN or a finger."""

MOST_FLAGS, MOST_COUNTER = 0xFF, 0xFFFF_FFFF
MAX_APPLICATION = 255
"""Characters of an application; OpenSSH's are `ssh:` and what its user added."""


class SecurityKey(msgspec.Struct, frozen=True):
    """The public key of a hardware token. Raises `AuthException` for what cannot be one."""

    raw: bytes
    """The Ed25519 key, 32 bytes."""

    application: str

    def __post_init__(self) -> None:
        text = self.application
        if len(self.raw) != KEY_BYTES or not (
            text.isascii() and text.isprintable() and 0 < len(text) <= MAX_APPLICATION
        ):
            raise refused()

    @property
    def blob(self) -> bytes:
        """The key as OpenSSH encodes it."""
        return length_prefixed(SK_ED25519.encode(), self.raw, self.application.encode())

    @property
    def identity(self) -> bytes:
        """32 bytes that stand for key and application together."""
        return hashlib.sha256(self.blob).digest()

    def to_base64(self) -> str:
        """The Ed25519 key alone, as it is sent."""
        return encode_base64(self.raw)

    def verify(self, signature: bytes, message: bytes, flags: int, counter: int) -> bool:
        """Tell whether the token signed `message`, and these flags and this counter with it. Never raises."""
        if not (0 <= flags <= MOST_FLAGS and 0 <= counter <= MOST_COUNTER):
            return False
        return Ed25519PublicKey(self.raw).verify(signature, self.signed(message, flags, counter))

    def signed(self, message: bytes, flags: int, counter: int) -> bytes:
        """Return what a token signs for a message. Raises `OverflowError` for numbers that do not fit."""
        application = hashlib.sha256(self.application.encode()).digest()
        return application + flags.to_bytes(1) + counter.to_bytes(4) + hashlib.sha256(message).digest()


PublicKey: TypeAlias = Ed25519PublicKey | SecurityKey


def type_of(key: PublicKey) -> str:
    """Return the name of a key's type, as OpenSSH has it."""
    return SK_ED25519 if isinstance(key, SecurityKey) else ED25519


def blob_of(key: PublicKey) -> bytes:
    """Return a key as OpenSSH encodes it."""
    return key.blob if isinstance(key, SecurityKey) else length_prefixed(ED25519.encode(), key.raw)


def read_blob(blob: bytes) -> PublicKey | None:
    """Read a key as OpenSSH encodes it; None for a type that cannot log in. Raises `ValueError` for a damaged one."""
    reader = FieldReader(blob)
    kind = reader.field()
    if kind not in (ED25519.encode(), SK_ED25519.encode()):
        return None
    raw = reader.field()
    application = reader.field().decode("ascii") if kind == SK_ED25519.encode() else None
    reader.end()
    try:
        return Ed25519PublicKey(raw) if application is None else SecurityKey(raw, application)
    except AuthException as exc:
        raise ValueError("no key") from exc


def in_ssh_form(key: PublicKey) -> str:
    """Return a public key as OpenSSH's files have it."""
    return f"{type_of(key)} {binascii.b2a_base64(blob_of(key), newline=False).decode()}"


def fingerprint(key: PublicKey) -> str:
    """Return a key's fingerprint as OpenSSH shows it."""
    return f"SHA256:{encode_base64(hashlib.sha256(blob_of(key)).digest())}"


def public_key_of_ssh(line: str) -> PublicKey | None:
    """Return the key of a line `TYPE BASE64 ...`, as OpenSSH's `.pub` files have it; None for anything else.

    Raises `ConfigException` for a truncated key.
    """
    words = line.split(maxsplit=2)
    if not words or words[0] not in TYPES:
        return None
    try:
        key = read_blob(binascii.a2b_base64(words[1], strict_mode=True) if len(words) > 1 else b"")
    except ValueError:
        key = None
    if key is None or type_of(key) != words[0]:
        raise ConfigException(f"this is no whole {words[0]} key: give the line of its .pub file")
    return key


def kept(key: PublicKey) -> bytes:
    """Return the bytes by which a hub keeps a key: 32 for an Ed25519 key, OpenSSH's encoding for one of a token."""
    return key.blob if isinstance(key, SecurityKey) else key.raw


def read_kept(data: bytes) -> PublicKey:
    """Read what `kept` returns. Raises `ValueError`."""
    if len(data) == KEY_BYTES:
        return Ed25519PublicKey(data)
    key = read_blob(data)
    if not isinstance(key, SecurityKey):
        raise ValueError("no key of a hardware token")
    return key


def read_sent(public_key: str, application: str | None) -> PublicKey:
    """Read a key as peers send it: an Ed25519 key in base64, and its application where a token holds it.

    Raises `AuthException`.
    """
    key = Ed25519PublicKey.from_base64(public_key)
    return key if application is None else SecurityKey(key.raw, application)

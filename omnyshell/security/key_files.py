"""Files of Ed25519 private keys: PKCS #8 in PEM and OpenSSH's own format, each plain or under a passphrase.

What this module writes under a passphrase is PKCS #8 (RFC 5958) by PBES2 (RFC 8018) with scrypt (RFC 7914), which
OpenSSL reads too. `cryptography` itself would write 2,048 rounds of PBKDF2: too weak against graphics cards, which try
passphrases by the million a second.
"""

import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnyshell.errors import ConfigException
from omnyshell.security.files import read_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519

SCRYPT_COST, SCRYPT_BLOCK, SCRYPT_LANES = 2**14, 8, 5
"""16 MiB of memory and a third of a second for each try. OpenSSL 3 refuses more memory, so more lanes make up for
it."""

SSH_CIPHERS = ("aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com")
"""The ciphers of OpenSSH key files that can be read; the first one is ssh-keygen's default."""

_PKCS8_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_OPENSSH_BEGIN, _OPENSSH_END = b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----END OPENSSH PRIVATE KEY-----"
_OPENSSH_MAGIC = b"openssh-key-v1\0"

# DER of object identifiers: pkcs5PBES2, scrypt, aes256-CBC.
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30


class PassphraseException(ConfigException):
    """A key file's passphrase is wrong; or it is missing, then `is_missing` is set."""

    def __init__(self, path: Path, *, is_missing: bool = False, origin: str = "") -> None:
        text = f"{path} needs its passphrase" if is_missing else f"the passphrase of {path} is wrong"
        super().__init__(f"{text}: it is taken from {origin}" if origin else text)
        self.path = path
        self.is_missing = is_missing


def read_key_file(path: Path) -> bytes:
    """Return a key file's contents. Raises `ConfigException` where it is missing, or open to other users."""
    data = read_private(path)
    if data is None:
        raise ConfigException(f"{path}: there is no such key file")
    return data


def check_free(path: Path) -> None:
    """Check that no file exists at the path. Raises `ConfigException`."""
    if path.exists():
        raise ConfigException(f"{path} exists; a key that it may hold is not overwritten")


def is_encrypted(data: bytes) -> bool:
    """Tell whether a key file needs a passphrase. Does not import `cryptography`, and never raises."""
    return _PKCS8_ENCRYPTED in data or ssh_cipher(data) not in ("", "none")


def ssh_cipher(data: bytes) -> str:
    """Return the cipher named in a key of OpenSSH's format, `none` for a plain one; empty for other formats."""
    _, begin, rest = data.partition(_OPENSSH_BEGIN)
    if not begin:
        return ""
    try:
        blob = binascii.a2b_base64(rest.partition(_OPENSSH_END)[0])
    except binascii.Error:
        return ""
    body = blob.removeprefix(_OPENSSH_MAGIC)
    return body[4 : 4 + int.from_bytes(body[:4], "big")].decode("ascii", "replace") if body != blob else ""


def decode_private_key(data: bytes, passphrase: bytes | None, path: Path) -> "ed25519.Ed25519PrivateKey":
    """Return the key in a file's contents; `passphrase` is ignored for a plain one.

    Raises `PassphraseException` where the passphrase is missing or wrong, and `ConfigException` for anything else than
    an Ed25519 key; both name the file.
    """
    cipher = ssh_cipher(data)
    if cipher not in ("", "none", *SSH_CIPHERS):
        how = f"`ssh-keygen -p -Z {SSH_CIPHERS[0]} -f {path}` changes that"
        raise ConfigException(f"{path} is encrypted with {cipher}, which cannot be read: {how}")
    encrypted = is_encrypted(data)
    if encrypted and passphrase is None:
        raise PassphraseException(path, is_missing=True)
    key = _load(data, passphrase if encrypted else None, path, is_ssh=bool(cipher))
    from cryptography.hazmat.primitives.asymmetric import ed25519

    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigException(f"{path} holds a private key, but not an Ed25519 one")
    return key


def encode_private_key(key: "ed25519.Ed25519PrivateKey", passphrase: bytes | None) -> bytes:
    """Return a key as PKCS #8 in PEM, under the passphrase where there is one."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if passphrase is None:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return _encrypted(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), passphrase)


def _load(data: bytes, passphrase: bytes | None, path: Path, *, is_ssh: bool) -> Any:
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    if passphrase == b"":
        raise PassphraseException(path)
    try:
        return (load_ssh_private_key if is_ssh else load_pem_private_key)(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidTag) as exc:
        if passphrase is not None and not isinstance(exc, UnsupportedAlgorithm):
            raise PassphraseException(path) from exc
        raise ConfigException(f"{path} holds no private key in PEM, as PKCS #8 or in OpenSSH's format") from exc


def _encrypted(pkcs8: bytes, passphrase: bytes) -> bytes:
    """Return `EncryptedPrivateKeyInfo` in PEM."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    from cryptography.hazmat.primitives.padding import PKCS7

    salt, start = os.urandom(16), os.urandom(16)
    secret = Scrypt(salt, 32, SCRYPT_COST, SCRYPT_BLOCK, SCRYPT_LANES).derive(passphrase)
    padding = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES256(secret), modes.CBC(start)).encryptor()
    ciphertext = cipher.update(padding.update(pkcs8) + padding.finalize()) + cipher.finalize()
    costs = b"".join(map(_integer, (SCRYPT_COST, SCRYPT_BLOCK, SCRYPT_LANES)))
    derivation = _tlv(_SEQUENCE, _SCRYPT, _tlv(_SEQUENCE, _tlv(_OCTETS, salt), costs))
    encryption = _tlv(_SEQUENCE, _AES_256_CBC, _tlv(_OCTETS, start))
    scheme = _tlv(_SEQUENCE, _PBES2, _tlv(_SEQUENCE, derivation, encryption))
    text = binascii.b2a_base64(_tlv(_SEQUENCE, scheme, _tlv(_OCTETS, ciphertext)), newline=False)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([_PKCS8_ENCRYPTED, *lines, _PKCS8_ENCRYPTED.replace(b"BEGIN", b"END"), b""])


def _tlv(tag: int, *parts: bytes) -> bytes:
    """Return a DER value of at most 64 KiB."""
    body = b"".join(parts)
    size = len(body).to_bytes(2, "big")
    head = size[1:] if len(body) < 0x80 else b"\x81" + size[1:] if len(body) < 0x100 else b"\x82" + size
    return bytes([tag]) + head + body


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))

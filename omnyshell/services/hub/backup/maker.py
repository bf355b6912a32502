"""The hub that made a backup: its UID is derived from the key of its certificate, which signs the backup.

The signed message has a tag of its own, so that a signature made for TLS cannot pass for one over a backup.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from omnyshell.errors import ConfigException
from omnyshell.paths import read_file
from omnyshell.security.certificates import CertificateIdentity
from omnyshell.security.identity import UidComputer
from omnyshell.security.length_prefix import length_prefixed
from omnyshell.security.machine import MachineFacts
from omnyshell.services.hub.ground.certificate import load_pair

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_TAG = b"omnyshell:backup:v1"
_HASH = SHA256()
_PADDING = PSS(MGF1(_HASH), _HASH.digest_size)


class Maker(msgspec.Struct, frozen=True):
    """The values from which a hub's UID is derived; `key` is its SubjectPublicKeyInfo in DER."""

    key: bytes
    machine: MachineFacts

    @property
    def uid(self) -> str:
        """The hub's UID."""
        return UidComputer(self.machine).hub_of_key(self.key).value

    def check(self, signature: bytes, data: bytes) -> None:
        """Raise `ConfigException` if the signature is not this hub's over the data."""
        message = length_prefixed(_TAG, data)
        try:
            key = load_der_public_key(self.key)
            if isinstance(key, EllipticCurvePublicKey):
                key.verify(signature, message, ECDSA(_HASH))
            elif isinstance(key, RSAPublicKey):
                key.verify(signature, message, _PADDING, _HASH)
            elif isinstance(key, Ed25519PublicKey | Ed448PublicKey):
                key.verify(signature, message)
            else:
                raise InvalidSignature
        except (InvalidSignature, UnsupportedAlgorithm, ValueError) as exc:
            raise ConfigException("the backup is not signed by the hub that it names: it is not restored") from exc


class BackupSigner:
    """Signs backups for a hub: with the key of its certificate, on its machine."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Read certificate and key. Raises `ConfigException` if they are not a hub's."""
        load_pair(cert, key)
        self._key = _private_key(key)
        machine = MachineFacts.read()
        # msgspec encodes only plain `str`, not its subclasses.
        machine = replace(machine, machine_id=str(machine.machine_id))
        self.maker = Maker(CertificateIdentity.from_file(cert).spki_der, machine)

    def sign(self, data: bytes) -> bytes:
        """Return the signature. Raises `ConfigException` if the certificate does not verify it."""
        signature = self._signature(length_prefixed(_TAG, data))
        # Checked because the files may have been renewed between reading the two.
        self.maker.check(signature, data)
        return signature

    def _signature(self, message: bytes) -> bytes:
        key = self._key
        if isinstance(key, EllipticCurvePrivateKey):
            return key.sign(message, ECDSA(_HASH))
        if isinstance(key, RSAPrivateKey):
            return key.sign(message, _PADDING, _HASH)
        if isinstance(key, Ed25519PrivateKey | Ed448PrivateKey):
            return key.sign(message)
        return b""


def _private_key(path: Path) -> "PrivateKeyTypes":
    try:
        return load_pem_private_key(read_file(path), None)
    except OSError as exc:
        raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ConfigException(f"{path} holds no private key that can be used") from exc

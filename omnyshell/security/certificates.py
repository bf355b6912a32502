"""Reading certificates: their names, expiry and key.

The key is found without `cryptography`, so that a client can bind a login to it without that import.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from omnyshell.errors import CertGeneratorException
from omnyshell.paths import read_file

if TYPE_CHECKING:
    from cryptography import x509

_SEQUENCE = 0x30
_EXPLICIT_VERSION = 0xA0
_FIELDS_BEFORE_KEY = 5
"""Fields of RFC 5280's TBSCertificate between version and key: serial number, algorithm, issuer, validity, subject."""


def spki_of_der(cert_der: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo inside a certificate, byte for byte. Raises `CertGeneratorException`."""
    _, tbs, _ = _element(cert_der, 0, expected=_SEQUENCE)
    _, position, _ = _element(cert_der, tbs, expected=_SEQUENCE)
    tag, _, end = _element(cert_der, position)
    if tag == _EXPLICIT_VERSION:
        position = end
    for _ in range(_FIELDS_BEFORE_KEY):
        _, _, position = _element(cert_der, position)
    _, _, end = _element(cert_der, position, expected=_SEQUENCE)
    return cert_der[position:end]


def spki_sha256_of_der(cert_der: bytes) -> bytes:
    """Return the SHA-256 of a certificate's SubjectPublicKeyInfo, which proofs of keys name.

    Raises `CertGeneratorException` when the key cannot be found.
    """
    return hashlib.sha256(spki_of_der(cert_der)).digest()


def _element(der: bytes, start: int, *, expected: int | None = None) -> tuple[int, int, int]:
    """Return an element's tag, where its content starts and where it ends (X.690 section 8.1)."""
    header = der[start : start + 2]
    if len(header) == 2 and expected in (None, header[0]):
        length, content = header[1], start + 2
        if length & 0x80:
            count = length & 0x7F
            length, content = int.from_bytes(der[content : content + count]), content + count
        if content + length <= len(der):
            return header[0], content, content + length
    raise CertGeneratorException("not an X.509 certificate")


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """The contents of a certificate. `names` are its subject alternative names, `fingerprint` is `sha256:` and hex."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    spki_der: bytes = field(repr=False)
    der: bytes = field(repr=False)

    @property
    def spki_sha256(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo: equal to what a peer computes from the TLS connection."""
        return hashlib.sha256(self.spki_der).digest()

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read the first certificate of a PEM file: the leaf, in a chain. Raises `CertGeneratorException`."""
        from omnyshell.security.cert_files import why_no_certificate

        try:
            data = read_file(path)
            return cls.from_pem(data)
        except OSError as exc:
            raise CertGeneratorException(f"cannot read {path}: {exc.strerror}") from exc
        except CertGeneratorException as exc:
            raise CertGeneratorException(why_no_certificate(path, data) or f"{path}: {exc}") from exc

    @classmethod
    def from_pem(cls, pem: bytes | str) -> Self:
        """Read the first certificate in PEM text. Raises `CertGeneratorException`."""
        from cryptography import x509

        try:
            certificate = x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
        except (ValueError, x509.InvalidVersion) as exc:
            raise CertGeneratorException("no certificate in PEM found") from exc
        return cls._of(certificate)

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read a certificate from DER. Raises `CertGeneratorException`."""
        from omnyshell.security.cert_chain import read_chain

        return cls._of(*read_chain((der,)))

    @classmethod
    def _of(cls, certificate: "x509.Certificate") -> Self:
        from cryptography.hazmat.primitives.serialization import Encoding

        from omnyshell.security.cert_names import alternative_names

        der = certificate.public_bytes(Encoding.DER)
        try:
            return cls(
                subject=certificate.subject.rfc4514_string(),
                names=alternative_names(certificate),
                issuer=certificate.issuer.rfc4514_string(),
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
                fingerprint="sha256:" + hashlib.sha256(der).hexdigest(),
                spki_der=spki_of_der(der),
                der=der,
            )
        except (ValueError, TypeError) as exc:
            raise CertGeneratorException("the certificate holds fields that cannot be read") from exc

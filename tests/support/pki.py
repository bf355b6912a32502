"""Authorities and certificates of any shape, as tests need them: also those that no authority should issue."""

import ipaddress
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

YEAR = timedelta(days=365)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and the certificates above it, nearest first; a root has none."""

    certificate: x509.Certificate
    key: Any
    above: "tuple[Issued, ...]" = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificate, and those above it."""
        return (self.certificate, *(issuer.certificate for issuer in self.above))

    @property
    def ders(self) -> tuple[bytes, ...]:
        """The same in DER."""
        return tuple(found.public_bytes(Encoding.DER) for found in self.chain)

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        """The certificate, and those above it, the root too."""
        return b"".join(found.public_bytes(Encoding.PEM) for found in self.chain)

    def key_pem(self, password: bytes | None = None) -> bytes:
        """The key."""
        protection = BestAvailableEncryption(password) if password else NoEncryption()
        return bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))

    def write(self, directory: Path, name: str, pem: bytes | None = None) -> tuple[Path, Path]:
        """Write certificate and key to files; returns their paths."""
        cert, key = directory / f"{name}.pem", directory / f"{name}.key"
        cert.write_bytes(pem if pem is not None else self.chain_pem)
        key.write_bytes(self.key_pem())
        return cert, key


def root(name: str = "", **how: Any) -> Issued:
    """An authority that is its own issuer."""
    return issue(None, name or f"root {next(_numbers)}", is_authority=True, **how)


def issue(
    by: Issued | None,
    name: str = "",
    names: Iterable[str] = (),
    *,
    is_authority: bool = False,
    path_length: int | None = None,
    start: datetime | None = None,
    life: timedelta = YEAR,
    key: Any = None,
    purposes: Iterable[ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    usage: bool = True,
    digest: Any = None,
    extra: x509.ExtensionType | None = None,
) -> Issued:
    """Issue a certificate; without an issuer it signs itself. A `name` for an authority, `names` for a server."""
    known = list(names)
    subject = _name(name or (known[0] if known else f"authority {next(_numbers)}"))
    key = key if key is not None else ec.generate_private_key(ec.SECP256R1())
    start = start if start is not None else datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    builder = x509.CertificateBuilder(
        issuer_name=by.certificate.subject if by is not None else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=start + life,
    ).add_extension(x509.BasicConstraints(is_authority, path_length), critical=True)
    if usage:
        builder = builder.add_extension(_usage(is_authority=is_authority), critical=True)
    if purposes and not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
    if known:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general, known))), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=False)
    signer = by.key if by is not None else key
    certificate = builder.sign(signer, digest or SHA256())
    return Issued(certificate, key, (by, *by.above) if by is not None else ())


def weak_key() -> rsa.RSAPrivateKey:
    """An RSA key that is too short for TLS."""
    return rsa.generate_private_key(65537, 1024)


def _name(text: str) -> x509.Name:
    """A common name, and behind a slash an organization."""
    name, _, organization = text.partition("/")
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

"""Chains of certificates: reading them, finding who issued what, and the authorities that this system trusts."""

import binascii
import os
import re
import ssl
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from omnyshell.errors import CertGeneratorException
from omnyshell.paths import read_file
from omnyshell.security.certificates import spki_of_der

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

Chain = Sequence[x509.Certificate]
"""At least one certificate, the one of the server first."""

CanonicalName = tuple[Hashable, ...]
"""A form of names that is equal where OpenSSL considers the names equal."""


def read_chain(ders: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """Read certificates from DER, and check that their names and times can be read; extensions are parsed on demand.

    Raises `CertGeneratorException` where one breaks RFC 5280 too badly.
    """
    with warnings.catch_warnings():
        # Old authorities have serial numbers that today's rules forbid; they are trusted all the same.
        warnings.simplefilter("ignore")
        try:
            return tuple(map(_read, ders))
        except (ValueError, TypeError, KeyError, x509.InvalidVersion) as exc:
            # cryptography 43 raises KeyError for a name whose type ASN.1 does not have.
            raise CertGeneratorException("not an X.509 certificate, or one that holds what cannot be read") from exc


def _read(der: bytes) -> x509.Certificate:
    certificate = x509.load_der_x509_certificate(der)
    # These are parsed lazily, so errors in them must be provoked here.
    _ = certificate.subject, certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate


def key_of(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo, in canonical form where the kind of key is known."""
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return spki_of_der(certificate.public_bytes(Encoding.DER))


def extension_of(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return an extension; None where there is none. Raises `ValueError` where extensions cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as exc:
        raise ValueError(str(exc)) from exc


def canonical(name: x509.Name) -> CanonicalName:
    """Return a name as OpenSSL compares it: without regard to case, white space and the kind of text."""
    return tuple(frozenset((found.oid, _canonical_text(found.value)) for found in part) for part in name.rdns)


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether `issuer` has the name that the certificate gives its issuer, and its key verifies the signature."""
    if canonical(certificate.issuer) != canonical(issuer.subject):
        return False
    try:
        _verify(certificate, issuer.public_key())
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _verify(certificate: x509.Certificate, key: CertificatePublicKeyTypes) -> None:
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    how, digest = certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm
    if isinstance(key, rsa.RSAPublicKey) and isinstance(how, padding.AsymmetricPadding) and digest is not None:
        key.verify(signature, signed, how, digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(how, ec.ECDSA):
        key.verify(signature, signed, how)
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
    else:
        raise UnsupportedAlgorithm("a key that makes no such signatures")


def _canonical_text(value: str | bytes) -> str | bytes:
    return " ".join(value.casefold().split()) if isinstance(value, str) else value


def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate says that it may issue others."""
    try:
        constraints = extension_of(certificate, x509.BasicConstraints)
    except ValueError:
        return False
    return constraints is not None and constraints.ca


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate is its own issuer."""
    return is_issued_by(certificate, certificate)


class Authorities:
    """A set of trusted or known certificates, read when first needed."""

    def __init__(self, ders: Iterable[bytes]) -> None:
        self._ders = tuple(ders)

    @cached_property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """All of them that can be read."""
        return tuple(_readable(self._ders))

    @cached_property
    def _by_subject(self) -> dict[CanonicalName, list[x509.Certificate]]:
        found: dict[CanonicalName, list[x509.Certificate]] = {}
        for certificate in self.certificates:
            found.setdefault(canonical(certificate.subject), []).append(certificate)
        return found

    def has_key(self, key: bytes) -> bool:
        """Tell whether one carries this SubjectPublicKeyInfo."""
        return any(key in der for der in self._ders)

    def issuers_of(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        """Return the issuers of a certificate: several, where an authority is cross-signed."""
        found = self._by_subject.get(canonical(certificate.issuer), ())
        return [issuer for issuer in found if is_issued_by(certificate, issuer)]


System = Callable[[], Authorities]
"""Returns the authorities that this system trusts; called only where needed, as there are many."""


def path_of(chain: Chain) -> list[x509.Certificate]:
    """Return the path from the first certificate upward, as far as the chain has it.

    The order of the rest does not matter.
    """
    path, rest = [chain[0]], list(chain[1:])
    while not is_self_signed(path[-1]):
        issuer = next((found for found in rest if is_issued_by(path[-1], found)), None)
        if issuer is None:
            break
        rest.remove(issuer)
        path.append(issuer)
    return path


def authority_id(chain: Chain) -> bytes:
    """Return the identifier of the key that peers of a server trust, where they trust an authority by a file.

    It is the one of the last certificate of the path, if that issued itself, else of whoever issued that; empty where
    the certificates do not say. Raises `ValueError` where extensions cannot be read.
    """
    top = path_of(chain)[-1]
    if not is_self_signed(top):
        issuer = extension_of(top, x509.AuthorityKeyIdentifier)
        return (issuer.key_identifier if issuer is not None else None) or b""
    own = extension_of(top, x509.SubjectKeyIdentifier) or x509.SubjectKeyIdentifier.from_public_key(top.public_key())
    return own.digest


def system_authorities() -> Authorities:
    """Return the authorities that this system trusts: those in the file and the directory that OpenSSL looks into."""
    places = ssl.get_default_verify_paths()
    files = [Path(places.cafile)] if places.cafile else []
    # By default the directory holds the same certificates as the file, so it is skipped.
    is_told = not {places.openssl_cafile_env, places.openssl_capath_env}.isdisjoint(os.environ)
    if places.capath and (is_told or not files):
        files += Path(places.capath).glob("????????.[0-9]*")
    return authorities_in(*files)


def authorities_in(*files: Path) -> Authorities:
    """Return the certificates in files, as far as they can be read."""
    return Authorities(_decoded({text for file in files for text in _texts_in(file)}))


def _texts_in(file: Path) -> list[bytes]:
    try:
        return _CERTIFICATE.findall(read_file(file))
    except OSError:
        return []


def _decoded(texts: Iterable[bytes]) -> Iterator[bytes]:
    for text in texts:
        with suppress(ValueError):
            yield binascii.a2b_base64(text)


def _readable(ders: Iterable[bytes]) -> Iterator[x509.Certificate]:
    for der in ders:
        with suppress(CertGeneratorException):
            yield from read_chain((der,))

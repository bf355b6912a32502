"""Local certificate authorities: one with the hub's certificate, and one with that of the hub's TLS tunnels.

There are two, so that a client that trusts the hub's authority cannot take a tunnel for the hub. The profile is RFC
5280's, as strictly as OpenSSL's X509_STRICT asks: critical basic constraints and key usage, key identifiers in all
certificates, every host as a subject alternative name.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import CertGeneratorException, ConfigException
from omnyshell.paths import read_file
from omnyshell.security.cert_chain import extension_of, is_authority
from omnyshell.security.files import read_private, write_private
from omnyshell.security.host_names import host_to_general_name

CA_CERT_FILE = "ca.pem"
CA_KEY_FILE = "ca.key"
HUB_CERT_FILE = "hub.pem"
HUB_KEY_FILE = "hub.key"
TUNNEL_CA_CERT_FILE = "tunnel-ca.pem"
TUNNEL_CA_KEY_FILE = "tunnel-ca.key"
TUNNEL_CERT_FILE = "tunnel.pem"
TUNNEL_KEY_FILE = "tunnel.key"

TUNNEL_AUTHORITY = "OmnyShell tunnel CA"
"""Common name of the tunnels' authorities; a number follows it."""

CA_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=825)
BACKDATE = timedelta(minutes=5)
"""Certificates are valid from this much before now, for peers whose clocks are late."""

_LONGEST_COMMON_NAME = 64


@dataclass(frozen=True, slots=True)
class GeneratedPair:
    """An authority, and a certificate from it. `pem` is the certificate followed by its authority's."""

    ca_pem: bytes
    ca_key: bytes = field(repr=False)
    pem: bytes
    key: bytes = field(repr=False)
    ca_is_new: bool
    ca_pem_path: Path
    """The authority's certificate, which clients trust."""

    ca_key_path: Path
    """The authority's private key; the hub does not need it."""

    pem_path: Path
    """The certificate chain."""

    key_path: Path
    """Its private key."""

    def write(self) -> None:
        """Write all files with mode 0600; the key before the certificate. Raises `ConfigException`."""
        if self.ca_is_new:
            write_private(self.ca_key_path, self.ca_key)
            write_private(self.ca_pem_path, self.ca_pem)
        write_private(self.key_path, self.key)
        write_private(self.pem_path, self.pem)


@dataclass(frozen=True, slots=True)
class GeneratedCertificates:
    """The result of a generation in `directory`: the hub's pair and that of its TLS tunnels.

    `ca_pem`, `hub_pem` and so on are shortcuts to the hub's pair.
    """

    directory: Path
    hub: GeneratedPair
    tunnels: GeneratedPair

    @property
    def ca_pem(self) -> bytes:
        """The authority's certificate: what clients and nodes pin."""
        return self.hub.ca_pem

    @property
    def ca_key(self) -> bytes:
        """The authority's private key; the hub does not need it."""
        return self.hub.ca_key

    @property
    def hub_pem(self) -> bytes:
        """The hub's certificate, followed by its authority's."""
        return self.hub.pem

    @property
    def hub_key(self) -> bytes:
        """The hub's private key."""
        return self.hub.key

    @property
    def ca_is_new(self) -> bool:
        """Whether there was no authority before."""
        return self.hub.ca_is_new

    @property
    def ca_pem_path(self) -> Path:
        """Where the authority's certificate is."""
        return self.hub.ca_pem_path

    @property
    def ca_key_path(self) -> Path:
        """Where the authority's private key is."""
        return self.hub.ca_key_path

    @property
    def hub_pem_path(self) -> Path:
        """Where the hub's certificate chain is."""
        return self.hub.pem_path

    @property
    def hub_key_path(self) -> Path:
        """Where the hub's private key is."""
        return self.hub.key_path


@dataclass(frozen=True, slots=True)
class _Files:
    """File names of a pair, and the common names in its certificates."""

    ca_pem: str
    ca_key: str
    pem: str
    key: str
    authority: str
    server: str


_HUB = _Files(CA_CERT_FILE, CA_KEY_FILE, HUB_CERT_FILE, HUB_KEY_FILE, "OmnyShell CA", "OmnyShell hub")
_TUNNELS = _Files(
    TUNNEL_CA_CERT_FILE,
    TUNNEL_CA_KEY_FILE,
    TUNNEL_CERT_FILE,
    TUNNEL_KEY_FILE,
    TUNNEL_AUTHORITY,
    "OmnyShell tunnels",
)


@dataclass(frozen=True, slots=True)
class _Authority:
    pem: bytes
    key_pem: bytes
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    is_new: bool


class CertGenerator:
    """Makes certificates for a hub that has none from elsewhere."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else SystemClock()

    def generate(self, directory: Path, hosts: Iterable[str], *, keep_key: bool = False) -> GeneratedCertificates:
        """Issue certificates for `hosts` (names and addresses), and write all files with mode 0600.

        An authority that is already in `directory` is used again, so that peers that pinned it go on working.
        `keep_key` keeps existing keys of servers too; with its key the hub keeps its UID. A key is written before its
        certificate: a reader of a new certificate finds its key.

        Raises `CertGeneratorException` for a host that cannot be in a certificate, for an authority that is incomplete,
        invalid or expired, or shared by the hub and the tunnels, and for files that cannot be read or written. Only in
        the last case may some files have been written.
        """
        names = list(dict.fromkeys(map(host_to_general_name, hosts)))
        if not names:
            raise CertGeneratorException("a certificate needs at least one host")
        with _translated():
            hub = self._make(directory, _HUB, names, keep_key=keep_key)
            _check_tunnel_files(directory)
            tunnels = self._make(directory, _TUNNELS, names, keep_key=keep_key, apart_from=hub)
            hub.write()
            tunnels.write()
        return GeneratedCertificates(directory, hub, tunnels)

    def _make(
        self,
        directory: Path,
        files: _Files,
        names: list[x509.GeneralName],
        *,
        keep_key: bool,
        apart_from: GeneratedPair | None = None,
    ) -> GeneratedPair:
        """Return a pair, without writing it. A key that the pair `apart_from` uses too is not kept."""
        authority = self._authority(directory, files)
        kept = _read_key(directory / files.key) if keep_key else None
        if apart_from is not None:
            taken = (apart_from.ca_key, apart_from.key)
            if authority.key_pem in taken:
                text = f"{directory / files.ca_pem} is the hub's authority too: move it and {files.ca_key} away"
                raise CertGeneratorException(text)
            kept = None if kept is not None and _key_pem(kept) in taken else kept
        key = kept if kept is not None else ec.generate_private_key(ec.SECP256R1())
        leaf = self._issue_leaf(authority, key, names, files.server)
        return GeneratedPair(
            ca_pem=authority.pem,
            ca_key=authority.key_pem,
            pem=leaf.public_bytes(Encoding.PEM) + authority.pem,
            key=_key_pem(key),
            ca_is_new=authority.is_new,
            ca_pem_path=directory / files.ca_pem,
            ca_key_path=directory / files.ca_key,
            pem_path=directory / files.pem,
            key_path=directory / files.key,
        )

    def _authority(self, directory: Path, files: _Files) -> _Authority:
        """The authority in this directory, or a new one; nothing is written."""
        cert_path, key_path = directory / files.ca_pem, directory / files.ca_key
        if not cert_path.exists() and not key_path.exists():
            return self._new_authority(files.authority)
        for path in (cert_path, key_path):
            if not path.exists():
                raise CertGeneratorException(f"{path} is missing beside the other half: restore it, or move both away")
        key = _read_key(key_path)
        pem, certificate = _read_certificate(cert_path)
        if key is None or certificate.public_key() != key.public_key():
            raise CertGeneratorException(f"{cert_path} and {key_path} do not belong together")
        if not _is_strict_authority(certificate):
            raise CertGeneratorException(f"{cert_path} is not the certificate of an authority")
        if not certificate.not_valid_before_utc <= self._clock.now() < certificate.not_valid_after_utc:
            text = f"{cert_path} is valid until {certificate.not_valid_after_utc:%Y-%m-%d} only"
            raise CertGeneratorException(f"{text}: move it and {key_path.name} away for a new authority")
        return _Authority(pem, _key_pem(key), certificate, key, is_new=False)

    def _new_authority(self, title: str) -> _Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        # The name is unique to this authority, as verifiers look issuers up by name.
        name = common_name(f"{title} {identifier.digest.hex()[:8]}")
        start = self._start()
        certificate = (
            certificate_builder(name, name, key.public_key(), start, start + CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier(identifier.digest, None, None), critical=False)
            .sign(key, SHA256())
        )
        return _Authority(certificate.public_bytes(Encoding.PEM), _key_pem(key), certificate, key, is_new=True)

    def _issue_leaf(
        self, authority: _Authority, key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName], title: str
    ) -> x509.Certificate:
        start = self._start()
        end = min(start + LEAF_LIFETIME, authority.certificate.not_valid_after_utc)
        issuer = authority.certificate
        return (
            certificate_builder(_leaf_name(names[0], title), issuer.subject, key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_authority_identifier(issuer), critical=False)
            .sign(authority.key, SHA256())
        )

    def _start(self) -> datetime:
        return self._clock.now().replace(microsecond=0) - BACKDATE


def certificate_builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | Ed25519PublicKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    """Return the beginning of a certificate, with a serial number of its own."""
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=end,
    )


def common_name(text: str) -> x509.Name:
    """Return the name that has this alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _leaf_name(first: x509.GeneralName, title: str) -> x509.Name:
    text = str(first.value)
    return common_name(text if len(text) <= _LONGEST_COMMON_NAME else title)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _is_strict_authority(certificate: x509.Certificate) -> bool:
    """Tell whether strict verifiers accept what this certificate's key signs."""
    try:
        identifier = extension_of(certificate, x509.SubjectKeyIdentifier)
        usage = extension_of(certificate, x509.KeyUsage)
    except ValueError:
        return False
    return identifier is not None and usage is not None and usage.key_cert_sign and is_authority(certificate)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    pem = read_private(path)
    if pem is None:
        return None
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise CertGeneratorException(f"{path} holds no private key in PEM, or one with a passphrase") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertGeneratorException(f"{path} holds no elliptic-curve key")
    return key


def _read_certificate(path: Path) -> tuple[bytes, x509.Certificate]:
    """The file's bytes and its first certificate."""
    try:
        pem = read_file(path)
        return pem, x509.load_pem_x509_certificate(pem)
    except OSError as exc:
        raise CertGeneratorException(f"cannot read {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise CertGeneratorException(f"{path} holds no certificate in PEM") from exc


def _check_tunnel_files(directory: Path) -> None:
    """Refuse to overwrite files at the tunnels' paths that this module did not write.

    Raises `CertGeneratorException`.
    """
    if (directory / TUNNEL_CA_CERT_FILE).exists() or (directory / TUNNEL_CA_KEY_FILE).exists():
        return
    for name in (TUNNEL_CERT_FILE, TUNNEL_KEY_FILE):
        if (directory / name).exists():
            text = f"{directory / name} was not made here, as there is no {TUNNEL_CA_CERT_FILE}: move it elsewhere"
            raise CertGeneratorException(f"{text}, and name it there")


@contextmanager
def _translated() -> Iterator[None]:
    """Turn a file's `ConfigException` into the error of this module."""
    try:
        yield
    except ConfigException as exc:
        raise CertGeneratorException(str(exc)) from exc

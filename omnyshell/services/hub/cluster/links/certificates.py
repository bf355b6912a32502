"""TLS between hubs, by the keys of the members alone: no authority of its own, and no file but the hub's key.

A hub's key signs the certificate of its links. Other hubs trust that key, and for that name alone, as they make an
authority of it for themselves, of what the hubs' log says of its members.
"""

import ssl
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey as SigningKey,
    Ed25519PublicKey as VerifyingKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from omnyshell.errors import ConfigException
from omnyshell.security.cert_generator import certificate_builder, common_name
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey

Keys = Mapping[str, Ed25519PublicKey]
"""The members, with their keys."""

_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
"""What ends a hub's certificate is the end of its membership, whatever its clock says."""

_AUTHORITY = "links of hub "


class LinkCertificates:
    """One hub's certificate, made anew for each process, and whom it believes."""

    def __init__(self, hub: str, key: Ed25519PrivateKey) -> None:
        """`key` is the hub's key, as its members' row says."""
        self._own_key = SigningKey.generate()
        self._pem = _leaf(hub, SigningKey.from_private_bytes(key.seed), self._own_key)

    def contexts(self, others: Keys) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """Return how to accept a hub and how to dial one; both sides must be a member among `others`.

        Raises `ConfigException` where no temporary file can be had.
        """
        trusted = "".join(self._authority_of(hub, key) for hub, key in others.items())
        accepting, dialling = (ssl.SSLContext(side) for side in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
        # A session that is taken up again would show no certificate.
        accepting.num_tickets = 0
        # Certificates name hubs and no hosts: `hub_of` says whose one is.
        dialling.check_hostname = False
        for context in (accepting, dialling):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            if trusted:
                context.load_verify_locations(cadata=trusted)
            self._load(context)
        return accepting, dialling

    def _authority_of(self, hub: str, key: Ed25519PublicKey) -> str:
        name = _authority_name(hub)
        public = VerifyingKey.from_public_bytes(key.raw)
        certificate = (
            certificate_builder(name, common_name("what a hub knows of others"), public, *_ALWAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._own_key, None)
        )
        return certificate.public_bytes(Encoding.PEM).decode()

    def _load(self, context: ssl.SSLContext) -> None:
        # OpenSSL takes them from a file alone; this one is readable by its owner only, and gone at once.
        try:
            with tempfile.NamedTemporaryFile() as file:
                file.write(self._pem)
                file.flush()
                context.load_cert_chain(file.name)
        except OSError as exc:
            raise ConfigException(f"links take a temporary file for a moment, and there is none: {exc}") from exc


def hub_of(certificate: bytes | None, members: Keys) -> str:
    """Return which member's certificate this is, in DER. Raises `ValueError` if it is none's.

    Held against the members by itself, whatever TLS has made of it: they may have changed since.
    """
    if certificate is None:
        raise ValueError("it showed no certificate")
    read = x509.load_der_x509_certificate(certificate)
    names = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    hub = str(names[0].value) if len(names) == 1 else ""
    key = members.get(hub)
    if key is None or read.issuer != _authority_name(hub):
        raise ValueError("its certificate is not that of a member")
    try:
        VerifyingKey.from_public_bytes(key.raw).verify(read.signature, read.tbs_certificate_bytes)
    except InvalidSignature as exc:
        raise ValueError(f"its certificate is not signed by the key of hub '{hub}'") from exc
    return hub


def _leaf(hub: str, signing: SigningKey, own: SigningKey) -> bytes:
    """Return a certificate and its key, in PEM."""
    certificate = (
        certificate_builder(common_name(hub), _authority_name(hub), own.public_key(), *_ALWAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        .sign(signing, None)
    )
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM) + key


def _authority_name(hub: str) -> x509.Name:
    return common_name(_AUTHORITY + hub)

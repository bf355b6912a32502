"""Explains why a certificate file and a key file cannot serve TLS, naming the files."""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from omnyshell.paths import read_file
from omnyshell.security.cert_chain import path_of
from omnyshell.security.cert_faults import Fault, use_faults

_CERTIFICATE, _PUBLIC_KEY = b"-----BEGIN CERTIFICATE-----", b" PUBLIC KEY-----"
_PRIVATE_KEY, _ENCRYPTED = b"PRIVATE KEY-----", (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
_REQUEST = b" CERTIFICATE REQUEST-----"
_DER = b"\x30"


def why_unusable(cert: Path, key: Path) -> str:
    """Return what is wrong with the two files, and what would be right; "" where they seem right."""
    try:
        certificates, private = read_file(cert), read_file(key)
    except OSError as exc:
        return f"cannot read {exc.filename}: {exc.strerror}"
    if _CERTIFICATE not in certificates and _CERTIFICATE in private and _PRIVATE_KEY in certificates:
        return f"certificate and key are swapped: {cert} holds a private key, {key} a certificate"
    return (
        why_no_certificate(cert, certificates)
        or _wrong_key(key, private)
        or _mismatch(cert, certificates, key, private)
    )


def why_no_certificate(path: Path, data: bytes) -> str:
    """Return what a file holds instead of a certificate in PEM; "" where it holds one."""
    if _CERTIFICATE in data:
        return ""
    for mark, what in ((_PRIVATE_KEY, "a private key"), (_PUBLIC_KEY, "a public key"), (_REQUEST, "a request for one")):
        if mark in data:
            return f"{path} holds {what} and no certificate"
    if data.startswith(_DER):
        return f"{path} is not PEM; `openssl x509 -inform der -in {path}` turns a certificate in DER into it"
    return f"{path} holds no certificate in PEM"


def _wrong_key(path: Path, data: bytes) -> str:
    if any(mark in data for mark in _ENCRYPTED):
        return f"{path} is encrypted, and a hub cannot ask for a passphrase; `openssl pkey -in {path}` decrypts it"
    if _PRIVATE_KEY in data:
        return ""
    if _CERTIFICATE in data:
        return f"{path} holds a certificate and no private key"
    if _PUBLIC_KEY in data:
        return f"{path} holds a public key, and the private one is needed"
    if data.startswith(_DER):
        return f"{path} is not PEM; `openssl pkey -inform der -in {path}` turns a key in DER into it"
    return f"{path} holds no private key in PEM"


def _mismatch(cert: Path, certificates: bytes, key: Path, private: bytes) -> str:
    try:
        chain = x509.load_pem_x509_certificates(certificates)
    except ValueError:
        return f"{cert} holds a certificate that is damaged"
    try:
        own = load_pem_private_key(private, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return f"{key} holds a private key that is damaged, or of a kind that is not supported"
    if _belong_together(chain[0], own):
        weak = next((fault for fault in use_faults(path_of(chain)) if fault.kind is Fault.WEAK), None)
        return f"{cert}: {weak}" if weak is not None else ""
    place = next((number for number, found in enumerate(chain, 1) if _belong_together(found, own)), None)
    if place is not None:
        return f"{cert}: the certificate of {key} must come first in it, and is number {place}"
    return f"{key} is the key of another certificate than that in {cert}"


def _belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False

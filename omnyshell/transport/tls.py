"""TLS as both sides use it: 1.2 or newer, always verified."""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

from omnyshell.errors import ConfigException
from omnyshell.paths import read_file

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return a server's context from a PEM chain and its key. Raises `ConfigException` naming the files."""
    for path in (cert, key):
        if not path.is_file():
            raise ConfigException(f"there is no file {path}; `omnyshell cert gen` makes one")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Peers keep their connections; resumption tickets would only cost bytes and time.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as exc:
        # OpenSSL's reason, without its source location.
        why = getattr(exc, "reason", None) or exc
        raise ConfigException(f"cannot use certificate {cert} with key {key}: {why}") from exc
    return context


def leaf_of_chain(cert: Path) -> bytes:
    """Return the DER form of the first certificate in a PEM file. Raises `ConfigException`."""
    return chain_of(cert)[0]


def chain_of(cert: Path) -> tuple[bytes, ...]:
    """Return the DER forms of the certificates in a PEM file, at least one. Raises `ConfigException`."""
    try:
        blocks = _CERTIFICATE.findall(read_file(cert).decode("latin-1"))
        chain = tuple(ssl.PEM_cert_to_DER_cert(block) for block in blocks)
    except OSError as exc:
        raise ConfigException(f"cannot read {cert}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigException(f"{cert}: no certificate in PEM found") from exc
    if not chain:
        raise ConfigException(f"{cert}: no certificate in PEM found")
    return chain


def client_context(ca: Path | None) -> ssl.SSLContext:
    """Return a context that trusts `ca`, or the system's authorities. Raises `ConfigException` for a bad file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as exc:
        raise ConfigException(f"there is no certificate in PEM in {ca}, or a damaged one").about("ca") from exc
    except OSError as exc:
        raise ConfigException(f"cannot read {ca}: {exc.strerror}").about("ca") from exc
    # Trust the given certificates themselves, also an intermediate authority or the hub's own certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def shown_chain(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...]:
    """Return the certificates that the other side presented, in DER, trusted or not."""
    # Public from Python 3.13 on; before it, the same method is one level below.
    source: Any = tls if hasattr(tls, "get_unverified_chain") else getattr(tls, "_sslobj")  # noqa: B009
    return tuple(map(_der_of, source.get_unverified_chain() or ()))


def shown_certificate(transport: asyncio.BaseTransport | None) -> bytes | None:
    """Return the certificate that the other side presented, in DER; None where it presented none."""
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    return tls.getpeercert(binary_form=True) if tls is not None else None


def _der_of(certificate: Any) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    return ssl.PEM_cert_to_DER_cert(certificate.public_bytes())


def _no_password() -> str:
    raise ValueError("the key is encrypted, which a service cannot ask about")

"""TLS as both sides use it: 1.2 or newer, always verified."""

import ssl
from pathlib import Path

from omnyshell.errors import ConfigException


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return the hub's context from a PEM chain and its key. Raises `ConfigException` naming the file that is wrong."""
    for path, option in ((cert, "--cert"), (key, "--key")):
        if not path.is_file():
            raise ConfigException(f"{option}: there is no file {path}; `omnyshell cert gen --out DIR` makes one")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Peers keep their connections; resumption tickets would only cost bytes and time.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as exc:
        raise ConfigException(f"cannot use certificate {cert} with key {key}: {exc}") from exc
    return context


def leaf_of_chain(cert: Path) -> bytes:
    """Return the DER form of the first certificate in a PEM file. Raises `ConfigException`."""
    try:
        pem = cert.read_text(encoding="ascii")
        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(end) + len(end)])
    except OSError as exc:
        raise ConfigException(f"cannot read {cert}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigException(f"{cert}: no certificate in PEM found") from exc


def client_context(ca: Path | None) -> ssl.SSLContext:
    """Return a context that trusts `ca`, or the system's authorities. Raises `ConfigException` for a bad file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(ca)
    except (ssl.SSLError, OSError) as exc:
        raise ConfigException(f"--ca: cannot read certificates from {ca}: {exc}") from exc
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted, which a service cannot ask about")

"""How the audit trail is configured: see the room `audit` for what is made of it."""

import ssl
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from omnyshell.errors import ConfigException


class AuditedCommands(StrEnum):
    """How much of command lines is kept; the values are those of `audit-commands`."""

    FULL = "full"
    PROGRAM = "program"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long, and up to which size in bytes, records are kept."""

    max_age: timedelta | None = None
    """None sets no limit."""

    max_bytes: int | None = None
    """None is `DEFAULT_SIZE`, unless the trail was larger before there was one; 0 sets no limit."""


@dataclass(frozen=True, slots=True)
class SinkTls:
    """Files for TLS: authorities, the system's where none is given, and a certificate for servers that ask for one."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return what connections are made with. Raises `ConfigException` for a file that cannot be used."""
        if (self.cert is None) != (self.key is None):
            raise ConfigException("a certificate for audit sinks needs its key: audit-sink-cert and audit-sink-key")
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca is not None else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert is not None:
                # An encrypted key must not ask at the terminal.
                context.load_cert_chain(self.cert, self.key, password=lambda: b"")
        except (OSError, ValueError) as exc:
            files = ", ".join(str(path) for path in (self.ca, self.cert, self.key) if path is not None)
            raise ConfigException(f"cannot use the files for audit sinks over TLS ({files}): {exc}") from exc
        return context

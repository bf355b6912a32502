"""The configuration of the audit trail, which the room `audit` uses."""

import ssl
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from omnyshell.errors import ConfigException


class AuditedCommands(StrEnum):
    """How much of command lines is audited; the values are those of the option `audit-commands`."""

    FULL = "full"
    PROGRAM = "program"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long records are kept, and up to which size of the trail in bytes."""

    max_age: timedelta | None = None
    """None sets no limit."""

    max_bytes: int | None = None
    """None means `DEFAULT_SIZE`, unless the trail exceeded it when that limit was introduced; 0 means no limit."""


@dataclass(frozen=True, slots=True)
class SinkTls:
    """Files for TLS: authorities (the system's if None), and a client certificate for servers that request one."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context for connections. Raises `ConfigException` for an unusable file."""
        if (self.cert is None) != (self.key is None):
            raise ConfigException("a certificate for audit sinks needs its key: audit-sink-cert and audit-sink-key")
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca is not None else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert is not None:
                # Without this, an encrypted key would prompt at the terminal.
                context.load_cert_chain(self.cert, self.key, password=lambda: b"")
        except (OSError, ValueError) as exc:
            files = ", ".join(str(path) for path in (self.ca, self.cert, self.key) if path is not None)
            raise ConfigException(f"cannot use the files for audit sinks over TLS ({files}): {exc}") from exc
        return context

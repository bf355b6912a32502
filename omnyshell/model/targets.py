"""What a forwarded connection leads to (docs/extensions.md#forward)."""

from typing import NamedTuple, Self

from omnyshell.errors import ConfigException
from omnyshell.hosts import host_and_port, is_name_or_address
from omnyshell.model.tunnels import MAX_PORT

LONGEST_PATH = 107
"""Bytes of a UNIX socket's path on Linux."""


class Target(NamedTuple):
    """A host and a port; or the path of a UNIX socket, with port 0."""

    host: str
    port: int

    @property
    def is_path(self) -> bool:
        """Whether it is a UNIX socket."""
        return self.port == 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST:PORT`, with an IPv6 address in brackets, or an absolute path. Raises `ConfigException`."""
        if text.startswith("/"):
            return cls(_path(text), 0)
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        bare = host[1:-1] if bracketed else host
        if not colon or bracketed is not (":" in bare) or not is_name_or_address(bare):
            raise ConfigException(f"'{text}' is no target; write it as HOST:PORT, as in localhost:5432, or as a path")
        return cls(bare, parse_port(port))

    def __str__(self) -> str:
        return self.host if self.is_path else host_and_port(self.host, self.port)


def parse_port(text: str, *, least: int = 1) -> int:
    """Return the number of a port. Raises `ConfigException`."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PORT)) and least <= int(text) <= MAX_PORT):
        raise ConfigException(f"'{text}' is no port: ports are 1 to {MAX_PORT}")
    return int(text)


def _path(text: str) -> str:
    if "\0" in text or len(text.encode(errors="surrogateescape")) > LONGEST_PATH:
        raise ConfigException(f"A UNIX socket's path has {LONGEST_PATH} bytes at most, and no NUL")
    return text

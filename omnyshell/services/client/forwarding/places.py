"""Where a forward listens, and what it leads to, as ssh writes it."""

import re
from typing import NamedTuple, Self

from omnyshell.errors import ConfigException
from omnyshell.hosts import host_and_port, is_name_or_address
from omnyshell.model.targets import LONGEST_PATH, Target, parse_port

HERE = "127.0.0.1"
EVERYWHERE = ("", "*")
"""Hosts that stand for all addresses of this machine."""

_PART = re.compile(r"\[([^][]*)\](?=:|$)|([^][:]*)(?=:|$)")
FORM = "[ADDR:]PORT:HOST:PORT, as in 5432:localhost:5432; paths of UNIX sockets may stand on either side"


class Place(NamedTuple):
    """An address and a port of this machine, 0 for any that is free; or a path, without a port."""

    host: str
    port: int | None

    def __str__(self) -> str:
        return self.host if self.port is None else host_and_port(self.host or "*", self.port)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[ADDR:]PORT`. Raises `ConfigException`."""
        parts = _parts(text, text)
        if len(parts) > 2:
            raise ConfigException(f"'{text}' is no port to listen on; write it as [ADDR:]PORT, as in 1080")
        return cls(*_address(parts))


class Forward(NamedTuple):
    """Where to listen, and where that leads."""

    place: Place
    target: Target

    def __str__(self) -> str:
        return f"{self.place} -> {self.target}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[ADDR:]PORT:HOST:PORT`, with a path in place of either. Raises `ConfigException`."""
        local, colon, remote = text.rpartition(":/")
        if colon:
            return cls(_place(local, text), Target.parse("/" + remote))
        if text.startswith("/"):
            path, _, target = text.partition(":")
            return cls(_place(path, text), Target.parse(target))
        parts = _parts(text, text)
        if len(parts) not in (3, 4):
            raise ConfigException(f"'{text}' is no forward; write it as {FORM}")
        *address, host, port = parts
        return cls(Place(*_address(address)), Target.parse(host_and_port(host, parse_port(port))))


def _place(text: str, whole: str) -> Place:
    if not text.startswith("/"):
        parts = _parts(text, whole)
        if len(parts) > 2:
            raise ConfigException(f"'{whole}' is no forward; write it as {FORM}")
        return Place(*_address(parts))
    if "\0" in text or len(text.encode(errors="surrogateescape")) > LONGEST_PATH:
        raise ConfigException(f"a UNIX socket's path has {LONGEST_PATH} bytes at most, and no NUL")
    return Place(text, None)


def _address(parts: list[str]) -> tuple[str, int]:
    *hosts, port = parts
    host = hosts[0] if hosts else HERE
    if host not in EVERYWHERE and not is_name_or_address(host):
        raise ConfigException(f"'{host}' is no address of this machine")
    return "" if host in EVERYWHERE else host, parse_port(port, least=0)


def _parts(text: str, whole: str) -> list[str]:
    """Split at the colons that do not stand in brackets."""
    parts, at = [], 0
    while True:
        match = _PART.match(text, at)
        if match is None:
            raise ConfigException(f"'{whole}' is no forward; write it as {FORM}")
        parts.append(match[1] if match[1] is not None else match[2])
        at = match.end() + 1
        if at > len(text):
            return parts

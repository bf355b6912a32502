"""The hubs that have announced `auth-bind-2`; they never get a weaker proof again."""

from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.hosts import LOCALHOST, canonical_host, is_loopback
from omnyshell.security.files import changing, read_private, write_private
from omnyshell.transport.connection import HubAddress

HEADER = "# Hubs that take bound logins (auth-bind-2), one a line: none of them gets a weaker proof any more.\n"


class BoundHubs:
    """A file with one hub on each line. Without a file, hubs are remembered only as long as this object lives."""

    def __init__(self, path: Path | None = None, beside: "BoundHubs | None" = None) -> None:
        """Use a file. Hubs that `beside` remembers count too, and are not written here."""
        self.path = path
        self._beside = beside
        self._in_memory: set[str] = set()

    def __contains__(self, address: HubAddress) -> bool:
        """Tell whether the hub is remembered. Raises `ConfigException` where the file cannot be read or trusted."""
        if _name(address) in self._in_memory or _name(address) in self._read():
            return True
        return self._beside is not None and address in self._beside

    def add(self, address: HubAddress) -> None:
        """Remember a hub, and write it if it is new. A file that cannot be written is not an error."""
        name = _name(address)
        if name in self._in_memory:
            return
        self._in_memory.add(name)
        if self.path is None:
            return
        try:
            if name not in self._read():
                with changing(self.path):
                    # Read again: another process may have written meanwhile.
                    self._write([*self._read(), name])
        except ConfigException:
            # It is remembered for as long as this process lives.
            return

    def assume(self, address: HubAddress) -> None:
        """Treat a hub as known without writing it, as it is written elsewhere."""
        self._in_memory.add(_name(address))

    def begin(self) -> None:
        """Create an empty file unless there is one. Raises `ConfigException`."""
        if self.path is not None and read_private(self.path) is None:
            self._write([])

    def _read(self) -> list[str]:
        data = read_private(self.path) if self.path is not None else None
        lines = (data or b"").decode(errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def _write(self, names: list[str]) -> None:
        if self.path is not None:
            write_private(self.path, (HEADER + "".join(f"{name}\n" for name in names)).encode())


def _name(address: HubAddress) -> str:
    """One name for each hub, however its address is spelled; all names of the loopback give the same."""
    host = canonical_host(address.host)
    return str(HubAddress(LOCALHOST if is_loopback(host) else host, address.port))

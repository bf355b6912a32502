"""Where the hub of this machine listens beside the loopback, as its user chose, and by which name others dial it."""

import ipaddress
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException, Remedy
from omnyshell.hosts import LOCALHOST, LOOPBACK, canonical_host, is_loopback, is_name_or_address
from omnyshell.model.tunnels import MAX_PORT
from omnyshell.security.files import read_private, write_private
from omnyshell.services.local.addresses import machine_addresses
from omnyshell.transport.bound_sockets import can_bind

ALL = ("0.0.0.0", "::")  # noqa: S104 - what the user says, on whose word alone the hub listens there
"""All IPv4 addresses, and all there are."""

LISTENING_FILE = "listening.json"


@dataclass(frozen=True, slots=True)
class Listening:
    """A name or address of this machine, as its user gave it, and the port that others were told."""

    host: str = LOCALHOST
    port: int | None = None
    asked: str = ""
    """Names the request, so that a hub can say which one it has followed."""

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine reaches the hub."""
        return is_loopback(self.host)

    @property
    def also_on(self) -> tuple[str, ...]:
        """Where to listen beside the loopback, as `HubConfig.also_on` has it."""
        if self.host == LOCALHOST:
            return ()
        return ("",) if self.host == ALL[1] else (self.host,)

    @property
    def public_host(self) -> str:
        """The name or address by which others dial the hub; for a wildcard the best of this machine's addresses."""
        if self.host not in ALL:
            return self.host
        found = [one.address for one in machine_addresses() if self.host == ALL[1] or ":" not in one.address]
        return found[0] if found else LOCALHOST

    @property
    def names(self) -> tuple[str, ...]:
        """What the hub's certificate has to be for."""
        here = [one.address for one in machine_addresses()] if self.host in ALL else [self.host]
        return tuple(dict.fromkeys((*LOOPBACK, *here)))


def read_listening(directory: Path) -> Listening:
    """Return what was chosen. Raises `ConfigException` where the file cannot be read."""
    path = directory / LISTENING_FILE
    text = read_private(path)
    if text is None:
        return Listening()
    try:
        found = msgspec.json.decode(text, type=Listening)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise ConfigException(f"{path} is damaged").advising(Remedy.CHOOSE_ADDRESS) from exc
    # An empty host would be every address of the machine, which nobody said.
    if not is_name_or_address(found.host) or not (found.port is None or 0 < found.port <= MAX_PORT):
        raise ConfigException(f"{path} is damaged").advising(Remedy.CHOOSE_ADDRESS)
    return found


def write_listening(directory: Path, listening: Listening) -> None:
    """Have the hub listen there, now if it runs, and at each start. Raises `ConfigException`."""
    path = directory / LISTENING_FILE
    write_private(path, msgspec.json.encode(listening))


def checked_host(text: str) -> str:
    """Return a host that this machine's hub can listen on for others, or `localhost`.

    Raises `ConfigException` that says what is wrong, and names the addresses of this machine. Looks names up.
    """
    host = canonical_host(text)
    if host in (*LOOPBACK, *ALL):
        return LOCALHOST if host in LOOPBACK else host
    if not is_name_or_address(host):
        raise ConfigException(f"'{text}' is neither a name nor an address of this machine; {_those_here()}")
    addresses = _addresses_of(host)
    if not addresses:
        raise ConfigException(f"'{text}' is the name of no machine that is known here; {_those_here()}")
    if host not in addresses and all(map(is_loopback, addresses)):
        what = f"{text} means {addresses[0]} here, where only this machine reaches it"
        raise ConfigException(f"{what}; {_those_here()}")
    strange = [address for address in addresses if not _is_of_this_machine(address)]
    if strange:
        what = f"{text} is" if strange == [host] else f"{text} means {strange[0]}, which is"
        raise ConfigException(f"{what} no address of this machine; {_those_here()}")
    return host


def machine_names() -> list[str]:
    """Return the names of this machine that stand for an address of it, which others may know too.

    Looks names up, which may take seconds.
    """
    found = []
    for name in dict.fromkeys(filter(is_name_or_address, (socket.getfqdn(), socket.gethostname()))):
        with suppress(ConfigException):
            found.append(checked_host(name))
    return [name for name in found if not is_loopback(name)]


def is_address(host: str) -> bool:
    """Whether it is one address, which another machine may have tomorrow, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return host not in ALL


def warning(host: str) -> str:
    """Return in two sentences what listening there means; "" for the loopback."""
    if is_loopback(host):
        return ""
    where = "any address of this machine" if host in ALL else host
    return (
        f"Whoever reaches {where} can try to log in from now on, and the public ports of tunnels are open there too. "
        "Nobody gets in without a token, a key or an invite."
    )


def _those_here() -> str:
    found = ", ".join(one.address for one in machine_addresses())
    return f"it has {found}" if found else "it has no address that others could reach"


def _addresses_of(host: str) -> list[str]:
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def _is_of_this_machine(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return can_bind([(family, (address, 0))])

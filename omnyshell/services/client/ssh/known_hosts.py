"""The hosts that ssh knows: one file for each, which says whose keys they are as well.

A file of ssh's for one name alone has a line for each user, as a node has a host key for each of them. In a comment it
says the node's enrolled key, which signs the host keys: that is what stays the same, and is refused where it changed.
Of a node that logs in with a token the host keys themselves are.
"""

import re
from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException, Remedy
from omnyshell.paths import config_dir
from omnyshell.security.files import changing, read_private, write_private
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.public_keys import fingerprint, in_ssh_form
from omnyshell.transport.connection import HubAddress

DOMAIN = "omny"
"""What names of nodes end in, unless something else is said."""

NEW, SAME, CHANGED = "new", "same", "changed"

_NODE_KEY = "# omnyshell node key: "
_PREFIX = "known."
_ANY_NAME = "*"
"""ssh may write the host's name in other ways than its file is named; the file is for that one host."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a node has shown, and proved as far as it can."""

    user: str
    host_key: Ed25519PublicKey
    node_key: Ed25519PublicKey | None


class ChangedKeyException(ConfigException):
    """A node shows another key than before."""


def directory_for(address: HubAddress) -> Path:
    """Return where the hosts of a hub are known: different hubs may have nodes of the same id."""
    return config_dir() / "ssh" / re.sub(r"[^A-Za-z0-9.-]+", "_", str(address).partition("://")[2])


def known_hosts(directory: Path) -> list[str]:
    """Return the names under which hosts of a hub are known, as somebody has written them."""
    return sorted(path.name.removeprefix(_PREFIX) for path in directory.glob(f"{_PREFIX}*"))


class KnownHost:
    """The file of one host."""

    def __init__(self, directory: Path, host: str) -> None:
        self.path = directory / f"{_PREFIX}{host}"
        self._host = host

    def accept(self, shown: Shown) -> None:
        """Note what a node shows, for ssh to read. Raises `ChangedKeyException`, and changes nothing then."""
        data = read_private(self.path)
        if data != (wanted := self._with(shown, data)):
            # Another connection may have noted something meanwhile.
            with changing(self.path):
                wanted = self._with(shown, read_private(self.path))
                write_private(self.path, wanted)

    def judge(self, shown: Shown) -> str:
        """Tell which of `NEW`, `SAME` and `CHANGED` it is, and note nothing. Raises `ConfigException`."""
        data = read_private(self.path)
        try:
            self._with(shown, data)
        except ChangedKeyException:
            return CHANGED
        return NEW if data is None else SAME

    def forget(self) -> bool:
        """Know it no longer, so that what it shows next is accepted; return whether it was known."""
        was_known = self.path.exists()
        self.path.unlink(missing_ok=True)
        return was_known

    def _with(self, shown: Shown, data: bytes | None) -> bytes:
        lines = (data or b"").decode(errors="replace").splitlines()
        node_key = next((line.removeprefix(_NODE_KEY) for line in lines if line.startswith(_NODE_KEY)), None)
        keys = {line.split()[3]: line for line in lines if line.startswith(_ANY_NAME) and len(line.split()) == 4}
        mine = f"{_ANY_NAME} {in_ssh_form(shown.host_key)} {shown.user}"
        now = None if shown.node_key is None else shown.node_key.to_base64()
        if node_key is not None and now != node_key:
            self._refuse(None if shown.node_key is None else fingerprint(shown.node_key))
        if node_key is None and keys.get(shown.user, mine) != mine:
            self._refuse(fingerprint(shown.host_key))
        keys[shown.user] = mine
        head = [] if now is None else [_NODE_KEY + now]
        return "".join(f"{line}\n" for line in [*head, *(keys[user] for user in sorted(keys))]).encode()

    def _refuse(self, now: str | None) -> None:
        what = f"shows another key than before, {now}" if now else "does not prove its key any more"
        raise ChangedKeyException(f"'{self._host}' {what}").advising(Remedy.ACCEPT_KEY)

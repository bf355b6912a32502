"""How new what this process, and the one before, has seen of hubs is (docs/extensions.md#epochs)."""

import logging
from pathlib import Path

from omnyshell.errors import ConfigException, ProtocolException
from omnyshell.protocol.limits import MOST_EPOCHS, MOST_JUMP
from omnyshell.security.files import read_private, write_private

logger = logging.getLogger("omnyshell.node")


class NewestEpoch:
    """The newest epoch that this process was taken by. A hub with an older one has not heard where it was since.

    Beside it stands that of the process before, which is reported as well: proofs that were made by it are behind then.
    """

    def __init__(self, path: Path | None = None) -> None:
        """`path` is the file that keeps it for the next process; what cannot be read or written there is no error."""
        self.value = 0
        """0 for none. No hub can raise it by more than others can go beyond."""

        self._path = path
        self._before = _read(path) if path is not None else 0

    @property
    def reported(self) -> int:
        """What a hub is told; 0 for none."""
        return self.value or self._before

    def take(self, epoch: int | None) -> None:
        """Take the epoch of a hub that registered the node; a hub that has no others says none.

        Raises `ProtocolException` for an older one than before: that hub must not serve the node.
        """
        if epoch is None:
            return
        if epoch < self.value:
            text = f"the hub took this node by the epoch {epoch}, but it has had {self.value} since: that hub is behind"
            raise ProtocolException(text)
        newest = min(epoch, max(self.value, self._before) + MOST_JUMP)
        if newest != self.value:
            self.value = newest
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            write_private(self._path, f"{self.value}\n".encode())
        except ConfigException as exc:
            logger.warning("the next process of this node does not know its epoch: %s", exc)


def _read(path: Path) -> int:
    """Return what a file says; 0 for one that is not there, or says nothing that can be."""
    try:
        value = int(read_private(path) or b"0")
    except (ConfigException, ValueError):
        return 0
    return value if 0 <= value < MOST_EPOCHS else 0

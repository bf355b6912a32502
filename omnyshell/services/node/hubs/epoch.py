"""How new what this process has seen of hubs is (docs/extensions.md#epochs)."""

from omnyshell.errors import ProtocolException
from omnyshell.protocol.limits import MOST_JUMP


class NewestEpoch:
    """The newest epoch that this process was taken by. A hub with an older one has not heard where it was since."""

    def __init__(self) -> None:
        self.value = 0
        """0 for none. No hub can raise it by more than others can go beyond."""

    def take(self, epoch: int | None) -> None:
        """Take the epoch of a hub that registered the node; a hub that has no others says none.

        Raises `ProtocolException` for an older one than before: that hub must not serve the node.
        """
        if epoch is None:
            return
        if epoch < self.value:
            text = f"the hub took this node by the epoch {epoch}, but it has had {self.value} since: that hub is behind"
            raise ProtocolException(text)
        self.value = min(epoch, self.value + MOST_JUMP)

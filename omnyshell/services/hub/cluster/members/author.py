"""Who writes into the hubs' log."""

from dataclasses import dataclass

from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.members.signing import sign


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: a hub of a generation, with its key."""

    generation: str
    hub: str
    key: Ed25519PrivateKey

    @property
    def subject(self) -> str:
        """Where its changes are published."""
        return f"{self.of_all}{self.hub}"

    @property
    def of_all(self) -> str:
        """What the subjects of all hubs begin with."""
        return f"omnyshell.{self.generation}.truth."

    def signed(self, seq: int, body: bytes, after: bytes) -> bytes:
        """Return a record for that number of the log; `after` is the digest of the one before it."""
        return sign(self.key, self.generation, seq, self.hub, body, after)

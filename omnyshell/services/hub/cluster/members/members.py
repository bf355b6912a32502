"""Which hubs are members, as the log says."""

from collections.abc import Callable
from functools import partial

from omnyshell.errors import OmnyShellException
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.ground.state_file import StateFile, blob, text
from omnyshell.services.hub.truth.changes import AddMember, RemoveMember, Transaction


class Members:
    """The keys of the members, in memory, updated by the log."""

    def __init__(self, file: StateFile, founder: tuple[str, Ed25519PublicKey]) -> None:
        """`founder` is the hub that begins the log, and its key: nobody else may while there is no member.

        Raises `ConfigException` if the file cannot be used.
        """
        self._founder = founder
        self._keys = dict(file.read("the member", _member, "SELECT hub, key FROM members"))

    def key_of(self, hub: str) -> Ed25519PublicKey | None:
        """Return the key of a member; None if the hub is none."""
        if not self._keys:
            return self._founder[1] if hub == self._founder[0] else None
        return self._keys.get(hub)

    def hubs(self) -> tuple[str, ...]:
        """Return the members, sorted."""
        return tuple(sorted(self._keys))

    def follow(self, transaction: Transaction) -> Callable[[], None]:
        """See `Follower`."""
        return partial(self._take, transaction)

    def _take(self, transaction: Transaction) -> None:
        for change in transaction.changes:
            if isinstance(change, AddMember):
                self._keys[change.hub] = Ed25519PublicKey(change.key)
            elif isinstance(change, RemoveMember):
                self._keys.pop(change.hub, None)


def _member(hub: object, key: object) -> tuple[str, Ed25519PublicKey]:
    try:
        return text(hub), Ed25519PublicKey(blob(key))
    except OmnyShellException as exc:
        raise ValueError("no key") from exc

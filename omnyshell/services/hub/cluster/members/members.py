"""Which hubs are members, and which changes they know, as the log says."""

from collections.abc import Callable
from functools import partial

from omnyshell.errors import OmnyShellException
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.ground.state_file import StateFile, blob, number, text
from omnyshell.services.hub.truth.change import FIRST_LEVEL
from omnyshell.services.hub.truth.changes import Transaction
from omnyshell.services.hub.truth.member_changes import AddMember, MemberKnows, RemoveMember


class Members:
    """The keys of the members, in memory, updated by the log."""

    def __init__(self, file: StateFile, founder: tuple[str, Ed25519PublicKey]) -> None:
        """`founder` is the hub that begins the log, and its key: nobody else may while there is no member.

        Raises `ConfigException` if the file cannot be used.
        """
        self._founder = founder
        self._keys = dict(file.read("the member", _member, "SELECT hub, key FROM members"))
        query = "SELECT hub, level FROM member_levels"
        self._levels = dict(file.read("what the member knows", lambda hub, level: (text(hub), number(level)), query))

    def key_of(self, hub: str) -> Ed25519PublicKey | None:
        """Return the key of a member; None if the hub is none."""
        if not self._keys:
            return self._founder[1] if hub == self._founder[0] else None
        return self._keys.get(hub)

    def have_removed(self, hub: str) -> bool:
        """Whether there are members, and the hub is none of them."""
        return bool(self._keys) and hub not in self._keys

    @property
    def level(self) -> int:
        """Up to which level all members have said that they know changes."""
        return min(map(self.level_of, self._keys), default=FIRST_LEVEL)

    def level_of(self, hub: str) -> int:
        """Return up to which level a member has said that it knows changes."""
        return self._levels.get(hub, FIRST_LEVEL)

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
                self._levels.pop(change.hub, None)
            elif isinstance(change, MemberKnows):
                self._levels[change.hub] = change.level


def _member(hub: object, key: object) -> tuple[str, Ed25519PublicKey]:
    try:
        return text(hub), Ed25519PublicKey(blob(key))
    except OmnyShellException as exc:
        raise ValueError("no key") from exc

"""The changes of which hubs share what is true."""

from datetime import datetime

from omnyshell.ids import is_hub_id
from omnyshell.model.schema import write_timestamp
from omnyshell.security.keys import KEY_BYTES
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.change import FIRST_LEVEL, Change, require


class AddMember(Change, frozen=True):
    """Adds a hub to those that share this truth; refused if a hub of that id has another key."""

    hub: str
    key: bytes
    """Its public key, which signs what it changes."""

    added_at: datetime

    def check(self) -> None:
        """See `Change`."""
        if not is_hub_id(self.hub) or len(self.key) != KEY_BYTES:
            raise ValueError("a member has an id and a key")

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        added = file.run(
            "INSERT INTO members VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET added_at = excluded.added_at"
            " WHERE key = excluded.key RETURNING 1",
            self.hub,
            self.key,
            write_timestamp(self.added_at),
        )
        require(added, f"there is a hub '{self.hub}' already")


class RemoveMember(Change, frozen=True):
    """Removes a hub; nothing that it says later changes anything."""

    hub: str

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        file.run("DELETE FROM members WHERE hub = ?", self.hub)
        file.run("DELETE FROM member_levels WHERE hub = ?", self.hub)


class MemberKnows(Change, frozen=True):
    """Says up to which `LEVEL` a hub knows changes; only the hub itself may. Before it has, it knows the first."""

    hub: str
    level: int

    def check(self) -> None:
        """See `Change`. Who knew less than the first level would have no change count any more."""
        if self.level < FIRST_LEVEL:
            raise ValueError(f"there is no level below {FIRST_LEVEL}")

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        known = file.run(
            "INSERT OR REPLACE INTO member_levels SELECT hub, ? FROM members WHERE hub = ? RETURNING 1",
            self.level,
            self.hub,
        )
        require(known, f"there is no hub '{self.hub}' any more")

"""Whose credentials for the engine there are, as the hub that founded notes: what bars a hub that was removed."""

from datetime import datetime

import msgspec

from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.cluster.members.engine_access import Kind, key_text

FOR_EVER = 253_402_300_799
"""The last second of the year 9999, in Unix time."""


class Invited(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hub that may come once."""

    ticket: bytes
    """The public key that its invitation proves."""

    until: datetime
    used_by: bytes = b""
    """The keys of who has come with it: an answer that was lost is given again, to the same."""


class EngineUsers(msgspec.Struct, forbid_unknown_fields=True):
    """The users that were made for hubs, by the public keys that the engine knows them by."""

    of_hubs: dict[str, list[str]] = msgspec.field(default_factory=dict)
    barred: dict[str, int] = msgspec.field(default_factory=dict)
    """Those whose credentials of up to a Unix time count no more: of all times, as a key is a hub's for good."""

    invited: dict[str, Invited] = msgspec.field(default_factory=dict)
    """The newest invitation of each hub."""

    def admit(self, hub: str, key: Ed25519PublicKey, used_by: bytes) -> None:
        """Note that a credential for a key is made for a hub, whose invitation is used up by that."""
        self.invited[hub] = msgspec.structs.replace(self.invited[hub], used_by=used_by)
        self.of_hubs[hub] = [key_text(Kind.USER, key)]

    def bar(self, hub: str) -> bool:
        """Have no credential of a hub count any more, whatever clock dated it; return whether there were any."""
        self.invited.pop(hub, None)
        users = self.of_hubs.pop(hub, [])
        self.barred.update(dict.fromkeys(users, FOR_EVER))
        return bool(users)

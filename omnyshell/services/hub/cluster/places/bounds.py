"""How much of other hubs' nodes a hub remembers: a member must not fill its memory with what it makes up.

Node ids that somebody owns are as many as the log has. No I/O.
"""

from collections.abc import Callable

from msgspec.structs import replace

from omnyshell.services.hub.cluster.places.records import Entry

MOST_UNOWNED = 10_000
"""Node ids of one hub that nobody owns, as far as this hub has read the log: that comes a moment later at times."""

LONGEST_DESCRIPTION = 64 * 1024
"""Bytes of a description at most: a node's own words have 16 KiB, without the escapes of JSON."""

MOST_DESCRIBED = 512 * 2**20
"""Bytes of the descriptions of one hub's nodes: 5 KiB for each of 100,000."""

TOO_MANY = f"it names more than {MOST_UNOWNED} node ids that nobody owns: further ones are let pass"
TOO_MUCH = (
    f"it describes its nodes by more than {MOST_DESCRIBED // 2**20} MiB: those that are beyond are not found here"
)

Refused = Callable[[str, str], None]
"""Takes the id of a hub, empty where nobody knows whose it is, and why something that it said does not count."""


class PlaceBounds:
    """Holds what hubs say against these bounds, and tells once of each hub that meets one."""

    def __init__(self, refused: Refused) -> None:
        """`refused` is told which hub meets a bound, and which one."""
        self._refused = refused
        self._is_owned: Callable[[str], bool] = lambda _node_id: True
        self._unowned: dict[str, set[str]] = {}
        self._told: set[tuple[str, str]] = set()

    def begin(self, is_owned: Callable[[str], bool]) -> None:
        """Ask this whether a node id has an owner, from now on."""
        self._is_owned = is_owned

    def is_owned(self, node_id: str) -> bool:
        """Whether a node id has an owner, as far as this hub has read."""
        return self._is_owned(node_id)

    def admits(self, hub: str, node_id: str) -> bool:
        """Whether what a hub says of a node id is to be remembered."""
        if self._is_owned(node_id):
            return True
        unowned = self._unowned.setdefault(hub, set())
        if node_id in unowned:
            return True
        if len(unowned) >= MOST_UNOWNED:
            self._tell(hub, TOO_MANY)
            return False
        unowned.add(node_id)
        return True

    def described(self, hub: str, entry: Entry, others: int) -> Entry:
        """Return an entry without its description where that is too long beside `others`, the bytes of all of a hub."""
        if len(entry.about) <= LONGEST_DESCRIPTION and len(entry.about) + others <= MOST_DESCRIBED:
            return entry
        self._tell(hub, TOO_MUCH)
        return replace(entry, about=b"")

    def look_again(self) -> None:
        """Count no longer what has an owner by now."""
        for hub, unowned in self._unowned.items():
            self._unowned[hub] = {node_id for node_id in unowned if not self._is_owned(node_id)}

    def _tell(self, hub: str, what: str) -> None:
        if (hub, what) not in self._told:
            self._told.add((hub, what))
            self._refused(hub, what)

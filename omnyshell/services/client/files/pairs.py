"""A directory that is being copied, and the one that it becomes."""

from dataclasses import dataclass, field

from omnyshell.services.client.files.ports import MOST_NAMES, Entry, Files, Folder
from omnyshell.services.client.files.problems import FileException, Trouble

MOST_KNOWN = 100_000
"""Names of a directory at the target that are kept; in a larger one each is looked for by itself."""


@dataclass(eq=False, slots=True)
class Pair:
    """Two directories. It is finished when all that was begun in it is, and then finishes in the one above."""

    files: Files
    source: Folder
    target: Folder
    origin: bytes = b""
    """Where the source is, among all machines."""

    path: bytes = b""
    """Below the directory that is copied."""

    above: "Pair | None" = None
    entry: Entry | None = None
    """What is made of the target in the end, under `name` in the one above; None for where a transfer goes to."""

    name: bytes = b""
    depth: int = 0
    known: dict[bytes, Entry] | None = None
    """What is at the target already, where that was looked at as a whole."""

    is_new: bool = False
    """Whether the target was made."""

    unfinished: int = 1
    """What was begun, and the reading of the directory itself."""

    _seen: set[int] = field(default_factory=set)

    async def present(self, name: bytes) -> Entry | None:
        """Return what stands at the target under a name."""
        return await self.target.look(name) if self.known is None else self.known.get(name)

    async def learn(self) -> None:
        """Look at all that is at the target, unless that is too much."""
        known: dict[bytes, Entry] = {}
        async for part in self.target.entries():
            known |= {entry.name: entry for entry in part}
            if len(known) > MOST_KNOWN:
                return
        self.known = known

    def is_first(self, name: bytes) -> bool:
        """Whether a name comes for the first time. Raises `FileException` where names do not end."""
        key = hash(name)
        if key in self._seen:
            return False
        if len(self._seen) >= MOST_NAMES:
            raise FileException(f"more than {MOST_NAMES} files are in it", code=Trouble.REFUSED)
        self._seen.add(key)
        return True

    def below(self, name: bytes) -> bytes:
        """Return the path of something in it."""
        return self.path + b"/" + name if self.path else name

    def close(self) -> None:
        """Let both go."""
        self.source.close()
        if self.above is not None:
            self.target.close()

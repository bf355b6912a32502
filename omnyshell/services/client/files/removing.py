"""Removing what a directory has, and it: for whoever deletes, not for copies."""

from omnyshell.services.client.files.ports import Entry, Files, Kind
from omnyshell.services.client.files.problems import FileException, Trouble

MOST_DEPTH = 200
"""Directories in directories: what a hostile server says would never end."""


def joined(folder: bytes, name: bytes) -> bytes:
    """Return the path of something in a directory."""
    return folder.rstrip(b"/") + b"/" + name


async def remove_all(files: Files, path: bytes, entry: Entry) -> int:
    """Remove something, a directory with all that is in it; return how much was removed. No link is followed.

    Raises `FileException` where something cannot be removed; what was removed before is gone then.
    """
    return await _removed(files, path, entry, 0)


async def _removed(files: Files, path: bytes, entry: Entry, depth: int) -> int:
    count = 0
    if entry.kind is Kind.FOLDER:
        if depth >= MOST_DEPTH:
            raise FileException(f"more than {MOST_DEPTH} directories lie in one another", code=Trouble.REFUSED)
        # Read to its end first: what is removed meanwhile may keep a server from telling of the rest.
        found = [each async for part in files.entries(path) for each in part]
        for each in found:
            count += await _removed(files, joined(path, each.name), each, depth + 1)
    await files.remove(path)
    return count + 1

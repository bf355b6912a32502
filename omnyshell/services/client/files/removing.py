"""Removing what a directory has, and it: for whoever deletes, not for copies."""

from collections.abc import Sequence

from omnyshell.services.client.files.ports import Entry, Files, Folder, Kind
from omnyshell.services.client.files.problems import FileException, Trouble

MOST_DEPTH = 200
"""Directories in directories: what a hostile server says would never end."""


def joined(folder: bytes, name: bytes) -> bytes:
    """Return the path of something in a directory."""
    return folder.rstrip(b"/") + b"/" + name


async def remove_all(files: Files, path: bytes, chosen: Sequence[Entry]) -> int:
    """Remove some of a directory, directories with all that is in them; return how much was removed.

    No link is followed, on this machine also none that somebody exchanges for a directory meanwhile. Raises
    `FileException` where something cannot be removed; what was removed before is gone then.
    """
    folder = await files.open(path)
    try:
        count = 0
        for each in chosen:
            entry = await folder.look(each.name)
            if entry is None:
                raise FileException("it is not there any more", code=Trouble.NOT_FOUND)
            if entry.kind is Kind.FOLDER is not each.kind:
                raise FileException("it has become a directory meanwhile", code=Trouble.CHANGED)
            count += await _removed(folder, entry, 0)
        return count
    finally:
        folder.close()


async def _removed(folder: Folder, entry: Entry, depth: int) -> int:
    if entry.kind is not Kind.FOLDER:
        await folder.remove(entry.name)
        return 1
    if depth >= MOST_DEPTH:
        raise FileException(f"more than {MOST_DEPTH} directories lie in one another", code=Trouble.REFUSED)
    count = 0
    inner = await folder.folder(entry.name)
    try:
        # Read to its end first: what is removed meanwhile may keep a server from telling of the rest.
        found = [each async for part in inner.entries() for each in part]
        for each in found:
            count += await _removed(inner, each, depth + 1)
    finally:
        inner.close()
    await folder.remove_folder(entry.name)
    return count + 1

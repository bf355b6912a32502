"""Where somebody says files are: `PATH`, or `[USER@]NODE:PATH`; and what they mean to become of what they name."""

import os
from collections.abc import Sequence
from typing import NamedTuple, Self

from omnyshell.errors import ConfigException
from omnyshell.ids import is_node_id
from omnyshell.printable import printable
from omnyshell.services.client.files.chosen import expanded
from omnyshell.services.client.files.ports import LONGEST_PATH, Files, Kind
from omnyshell.services.client.files.problems import shown_at
from omnyshell.services.client.files.transfer import Wanted


class Spot(NamedTuple):
    """A path on a machine: `node` is "" for this one, and `user` for whom the node chooses. A pattern may be in it."""

    node: str
    user: str
    path: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one. With a colon before any slash it is at a node, as in scp. Raises `ConfigException`."""
        head, colon, rest = text.partition(":")
        if "\0" in text or len(text) > LONGEST_PATH:
            raise ConfigException(f"'{printable(text, 80)}' is no path")
        if not colon or "/" in head:
            if not text:
                raise ConfigException("an empty path names no file")
            return cls("", "", os.fsencode(text))
        user, _, node = head.rpartition("@")
        if not is_node_id(node) or head.startswith("@"):
            raise ConfigException(f"'{printable(head)}' is no node: write ./{printable(text)} for a file of that name")
        return cls(node, user, at_home(os.fsencode(rest)))

    def __str__(self) -> str:
        where = f"{self.user}@{self.node}" if self.user else self.node
        return shown_at(where, self.path)


def at_home(path: bytes) -> bytes:
    """Return a path at a node without the `~` at its beginning, where paths that are not absolute begin anyway."""
    return path[2:].lstrip(b"/") or b"." if path == b"~" or path.startswith(b"~/") else path or b"."


async def wanted(files: Files, path: bytes) -> Sequence[Wanted]:
    """Return what a path, or the pattern in it, names. Links are followed; one that leads to nothing is meant itself.

    Raises `ConfigException` where nothing is there, and `FileException`.
    """
    found = []
    for each in await expanded(files, path):
        entry = await files.stat(each) or await files.stat(each, follow=False)
        if entry is None:
            raise ConfigException(f"{shown_at(files.title, each)}: there is no such file")
        name = each.rstrip(b"/").rpartition(b"/")[2]
        if entry.kind is not Kind.FOLDER and each.endswith(b"/"):
            raise ConfigException(f"{shown_at(files.title, each)}: it is no directory")
        is_content = name in (b"", b".", b"..")
        found.append(Wanted(files, each, entry._replace(name=name), b"" if is_content else name))
    return found


async def landing(files: Files, path: bytes, sources: Sequence[Wanted]) -> tuple[bytes, Sequence[Wanted]]:
    """Return the directory into which is copied, and the sources as they are called there.

    In a directory that is there they keep their names; another name becomes the only source's. Raises
    `ConfigException` where that cannot be, and `FileException`.
    """
    present = await files.stat(path)
    if present is not None and present.kind is Kind.FOLDER:
        _check_names(sources)
        await _check_outside(files, path, sources)
        return path, sources
    above, _, name = path.rstrip(b"/").rpartition(b"/")
    if len(sources) != 1 or name in (b"", b".", b".."):
        raise ConfigException(f"{shown_at(files.title, path)}: there is no such directory")
    (source,) = sources
    if source.entry.kind is Kind.FOLDER and present is not None:
        raise ConfigException(f"{shown_at(files.title, path)}: it is no directory")
    if source.entry.kind is not Kind.FOLDER and path.endswith(b"/"):
        raise ConfigException(f"{shown_at(files.title, path)}: there is no such directory")
    into = above or (b"/" if path.startswith(b"/") else b".")
    parent = await files.stat(into)
    if parent is None or parent.kind is not Kind.FOLDER:
        raise ConfigException(f"{shown_at(files.title, into)}: there is no such directory")
    await _check_outside(files, into, sources)
    return into, [source._replace(name=name)]


async def _check_outside(files: Files, into: bytes, sources: Sequence[Wanted]) -> None:
    """Raise `ConfigException` where a directory would be copied into itself, without end."""
    among = [each for each in sources if each.files is files and each.entry.kind is Kind.FOLDER]
    whole = await files.whole_path(into) if among else b""
    for source in among:
        path = await files.whole_path(source.path)
        if (whole + b"/").startswith(path.rstrip(b"/") + b"/"):
            raise ConfigException(f"{shown_at(files.title, source.path)}: it would be copied into itself")


def _check_names(sources: Sequence[Wanted]) -> None:
    names: dict[bytes, Wanted] = {}
    for source in sources:
        other = names.setdefault(source.name, source)
        if other is not source and source.name:
            both = " and ".join(shown_at(each.files.title, each.path) for each in (other, source))
            raise ConfigException(f"{both} would become one file")

"""Which files are meant: patterns in names, and what `--include` and `--exclude` say."""

import fnmatch
import os
import re
from collections.abc import AsyncIterator, Sequence

from omnyshell.errors import ConfigException
from omnyshell.services.client.files.ports import Files, Kind
from omnyshell.services.client.files.problems import FileException, LinkLostException, shown_at

_WILD = b"*?["
MOST_MATCHES = 100_000
"""Files that a pattern may stand for: a directory may be endless."""


def is_pattern(path: bytes) -> bool:
    """Whether something in a path stands for other names."""
    return any(char in _WILD for char in path)


async def expanded(files: Files, path: bytes) -> Sequence[bytes]:
    """Return the paths that a path stands for, sorted: itself where that is there, or there is no pattern in it.

    As in a shell, `*` does not reach into directories, finds no name that begins with a full stop, and passes over what
    cannot be looked into. Raises `ConfigException` where nothing matches, and `FileException`.
    """
    if not is_pattern(path) or await files.stat(path, follow=False) is not None:
        return (path,)
    found = [b"/"] if path.startswith(b"/") else [b""]
    *above, last = [part for part in path.split(b"/") if part]
    is_found = False
    for part in above:
        found = [match async for match in _matches(files, found, part, folders_only=True, is_found=is_found)]
        is_found = is_found or is_pattern(part)
    found = [match async for match in _matches(files, found, last, folders_only=False, is_found=is_found)]
    if not found:
        raise ConfigException(f"nothing matches {shown_at(files.title, path)}")
    return sorted(found)


async def _matches(
    files: Files, folders: Sequence[bytes], part: bytes, *, folders_only: bool, is_found: bool
) -> AsyncIterator[bytes]:
    """Yield what matches in each directory; `is_found` where a pattern has found those, and nobody has named them."""
    count = 0
    for folder in folders:
        try:
            async for name in _names(files, folder, part, folders_only=folders_only):
                if (count := count + 1) > MOST_MATCHES:
                    raise ConfigException(f"more than {MOST_MATCHES} files match: name a directory instead")
                yield folder + name + (b"/" if folders_only else b"")
        except FileException as exc:
            if not is_found or isinstance(exc, LinkLostException):
                raise


async def _names(files: Files, folder: bytes, part: bytes, *, folders_only: bool) -> AsyncIterator[bytes]:
    if not is_pattern(part):
        if await files.stat(folder + part) is not None:
            yield part
        return
    pattern, is_of_hidden = _compiled(os.fsdecode(part)), part.startswith(b".")
    async for entries in files.entries(folder):
        for name, kind, *_ in entries:
            is_meant = is_of_hidden or not name.startswith(b".")
            if folders_only:
                is_meant = is_meant and kind in (Kind.FOLDER, Kind.LINK)
            if is_meant and pattern.fullmatch(os.fsdecode(name)):
                yield name


class Choice:
    """What is copied of a directory.

    A pattern without `/` is held against names, one with it against the path below the directory that is copied; `*`
    does not reach over a `/`, and `**` does. With a `/` at its end it means directories alone.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        """Raises `ConfigException` for a pattern that is empty."""
        self._include = [_Rule(text) for text in include]
        self._exclude = [_Rule(text) for text in exclude]

    def takes_file(self, path: bytes) -> bool:
        """Whether a file, or link, is copied: one of `include` matches, if there are any, and none of `exclude`."""
        is_included = not self._include or any(rule.matches(path, is_folder=False) for rule in self._include)
        return is_included and not any(rule.matches(path, is_folder=False) for rule in self._exclude)

    def takes_folder(self, path: bytes) -> bool:
        """Whether a directory is looked into."""
        return not any(rule.matches(path, is_folder=True) for rule in self._exclude)


class _Rule:
    def __init__(self, text: str) -> None:
        pattern = text.rstrip("/")
        if not pattern:
            raise ConfigException(f"'{text}' is no pattern")
        self._folders_only = text != pattern
        self._of_path = "/" in pattern
        self._pattern = _compiled(pattern.strip("/"))

    def matches(self, path: bytes, *, is_folder: bool) -> bool:
        if self._folders_only and not is_folder:
            return False
        text = path if self._of_path else path.rpartition(b"/")[2]
        return self._pattern.fullmatch(text.decode("utf-8", "surrogateescape")) is not None


_PIECES = re.compile(r"\*\*/?|\*|\?|\[[!^]?\]?[^]/]*\]|.", re.DOTALL)


def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern that holds for a whole path: `*` and `?` stay within a name."""
    return re.compile("".join(map(_translated, _PIECES.findall(pattern))), re.DOTALL)


def _translated(piece: str) -> str:
    if piece.startswith("**"):
        return "(?:.*/)?" if piece.endswith("/") else ".*"
    if piece in ("*", "?"):
        return "[^/]" + piece.replace("?", "")
    if len(piece) == 1:
        return re.escape(piece)
    # Behind it stands what ends a whole pattern.
    return "(?!/)" + fnmatch.translate("[!" + piece[2:] if piece[1] == "^" else piece)[:-2]

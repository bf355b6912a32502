"""What goes wrong with files: `FileException`, and below it `LinkLostException`; `At` says with which."""

import errno
import os
from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType
from typing import Self

from omnyshell.errors import OmnyShellException
from omnyshell.printable import printable


class Trouble(StrEnum):
    """What is wrong, as the code of a `FileException`."""

    NOT_FOUND = "no_such_file"
    DENIED = "permission_denied"
    EXISTS = "already_there"
    NO_ROOM = "no_room"
    NO_QUOTA = "no_quota"
    """There may be room, but not for this user."""

    IN_USE = "in_use"
    """Another copy writes to it: it will not do so for ever."""

    UNSUPPORTED = "unsupported"
    CHANGED = "changed_meanwhile"
    REFUSED = "refused"
    """It is not done, as it would harm something."""

    BROKEN = "broken_answer"
    """The other side answers what it was not asked."""

    LOST = "link_lost"
    FAILED = "failed"


class FileException(OmnyShellException):
    """Something cannot be done with a file; `code` is one of `Trouble`.

    `where` is the path that it was about, behind the name of its machine, or "" where there is none; `reason` is the
    message without it.
    """

    default_code = Trouble.FAILED

    def __init__(self, reason: str, *, code: str | None = None, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason, code=code)
        self.reason, self.where = reason, where

    def located(self, title: str, path: bytes, new: bytes = b"") -> Self:
        """Return it as one about a path, and its new name, which it stays where it is about one already."""
        where = f"{shown_at(title, path)} as {shown(new)}" if new else shown_at(title, path)
        return self if self.where else type(self)(self.reason, code=self.code, where=where)


class LinkLostException(FileException):
    """The session that leads to the files was lost: what was asked may have been done or not."""

    default_code = Trouble.LOST

    def located(self, title: str, path: bytes, new: bytes = b"") -> Self:  # noqa: ARG002
        """Return it as it is: it is about no path."""
        return self


class At:
    """What goes wrong within it was about a path of the machine with this title, "" for this one: a context manager.

    `new` is the name that the path was to get.
    """

    __slots__ = ("_new", "_path", "_title")

    def __init__(self, title: str, path: bytes, new: bytes = b"") -> None:
        self._title, self._path, self._new = title, path, new

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, FileException):
            located = error.located(self._title, self._path, self._new)
            if located is not error:
                # Another one, as a session that ends fails all that was asked with a single error.
                raise located from error


FULL: Mapping[str, str] = {
    Trouble.NO_ROOM: "no room is left",
    Trouble.NO_QUOTA: "the quota of who copies is used up",
}
"""What is said where nothing more can be written, which ends a copy."""

_BY_NUMBER = {
    errno.ENOENT: Trouble.NOT_FOUND,
    errno.EACCES: Trouble.DENIED,
    errno.EPERM: Trouble.DENIED,
    errno.EROFS: Trouble.DENIED,
    errno.EEXIST: Trouble.EXISTS,
    errno.ENOSPC: Trouble.NO_ROOM,
    errno.EDQUOT: Trouble.NO_QUOTA,
}
IN_USE = "another copy of it is under way"
"""Why a partial copy cannot be had, as nodes say it too."""

BY_REASON = {os.strerror(number): trouble for number, trouble in _BY_NUMBER.items()} | {IN_USE: Trouble.IN_USE}
"""Version 3 of SFTP has few codes: the reason says more, where a server passes on what its system says."""


def of_system(error: OSError) -> FileException:
    """Return the exception for an error of this machine's system."""
    code = _BY_NUMBER.get(error.errno or 0, Trouble.FAILED)
    return FileException(error.strerror or str(error), code=code)


_CAT_READS_IT = "`cat` reads it, as by `omnyshell exec`"


def without_size() -> FileException:
    """Return the exception for what is not empty though its system says so, as files in `/proc` are.

    To copy it as nothing would be no copy.
    """
    return FileException(f"its system says no size of it: {_CAT_READS_IT}", code=Trouble.REFUSED)


def ends_early(wanted: int, size: int) -> FileException:
    """Return the exception for what has no byte before an offset, though its system says that it is of a size.

    Of files in `/sys` systems say a page, whatever they hold: to copy them as less than that could be to lose some.
    """
    if size >= wanted:
        return FileException(f"its system says a wrong size of it: {_CAT_READS_IT}", code=Trouble.REFUSED)
    return FileException("it has become shorter meanwhile", code=Trouble.CHANGED)


def in_its_place(partial: bytes) -> FileException:
    """Return the exception for what keeps a partial copy from being there."""
    text = f"something else stands where its partial copy would, as {shown(partial)}"
    return FileException(text, code=Trouble.REFUSED)


def shown(path: bytes) -> str:
    """Return a path as text that is safe to show: what is no text, or would move a cursor, is replaced."""
    return printable(path.decode("utf-8", "replace"))


def shown_at(title: str, path: bytes) -> str:
    """Return a path behind the name of its machine, which is "" for this one."""
    return f"{title}:{shown(path)}" if title else shown(path)

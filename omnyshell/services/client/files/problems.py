"""What goes wrong with files: `FileException`, and below it `LinkLostException`."""

import errno
import os
from enum import StrEnum

from omnyshell.errors import OmnyShellException
from omnyshell.printable import printable


class Trouble(StrEnum):
    """What is wrong, as the code of a `FileException`."""

    NOT_FOUND = "no_such_file"
    DENIED = "permission_denied"
    EXISTS = "already_there"
    NO_ROOM = "no_room"
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
    """Something cannot be done with a file; `code` is one of `Trouble`."""

    default_code = Trouble.FAILED


class LinkLostException(FileException):
    """The session that leads to the files was lost: what was asked may have been done or not."""

    default_code = Trouble.LOST


_BY_NUMBER = {
    errno.ENOENT: Trouble.NOT_FOUND,
    errno.EACCES: Trouble.DENIED,
    errno.EPERM: Trouble.DENIED,
    errno.EROFS: Trouble.DENIED,
    errno.EEXIST: Trouble.EXISTS,
    errno.ENOSPC: Trouble.NO_ROOM,
    errno.EDQUOT: Trouble.NO_ROOM,
}
IN_USE = "another copy of it is under way"
"""Why a partial copy cannot be had, as nodes say it too."""

BY_REASON = {os.strerror(number): trouble for number, trouble in _BY_NUMBER.items()} | {IN_USE: Trouble.IN_USE}
"""Version 3 of SFTP has few codes: the reason says more, where a server passes on what its system says."""


def of_system(error: OSError) -> FileException:
    """Return the exception for an error of this machine's system."""
    code = _BY_NUMBER.get(error.errno or 0, Trouble.FAILED)
    return FileException(error.strerror or str(error), code=code)


def shown(path: bytes) -> str:
    """Return a path as text that is safe to show: what is no text, or would move a cursor, is replaced."""
    return printable(path.decode("utf-8", "replace"))


def shown_at(title: str, path: bytes) -> str:
    """Return a path behind the name of its machine, which is "" for this one."""
    return f"{title}:{shown(path)}" if title else shown(path)

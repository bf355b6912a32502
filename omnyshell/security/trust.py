"""Checks that only root and this process's user can have created or changed a file at a path.

Every directory and link on the path is checked, not only the last one: whoever can write one of them decides where the
rest leads. As nobody else can change any of them, the file cannot be replaced between the check and its use.
"""

import errno
import os
import stat
from collections.abc import Iterable

from omnyshell.errors import ConfigException

MAX_LINKS = 40
"""Links that are followed on one path; as many as Linux follows."""

ROOT = 0
_ACCESS_LIST = "system.posix_acl_access"


class UntrustedPathException(ConfigException):
    """Other users can change where a path leads, or the file there."""

    def __init__(self, text: str, mending: str) -> None:
        super().__init__(text)
        self.mending = mending
        """What the user can do about it."""


def trusted_path(path: str, *, files_in_shared: bool = False) -> str:
    """Check an absolute path, and return it with all links resolved.

    Each directory, link and file on the way must belong to root or to our own user, and others must not be able to
    write it. Sticky directories (`/tmp`) may only lead to directories: any other entry can be a hard link that somebody
    made to a file of root's. `files_in_shared` allows such entries too.

    Raises `UntrustedPathException`, and `OSError` where nothing is there.
    """
    if not path.startswith("/"):
        raise UntrustedPathException(f"{path} is not absolute", "name it from / on")
    walk = _Walk(path, files_in_shared=files_in_shared)
    while walk.names:
        walk.step()
    return walk.here


def trusted_directory(path: str) -> str:
    """Check a directory's path, and that others cannot create files in it; return it with all links resolved.

    Raises `UntrustedPathException`, and `OSError` where no directory is there.
    """
    found = trusted_path(os.path.join(path, "."))  # noqa: PTH118
    if _judge(found, os.lstat(found)):
        raise _in_shared(found)
    return found


class _Walk:
    """The resolution of a path, one component at a time."""

    def __init__(self, path: str, *, files_in_shared: bool) -> None:
        self._files_in_shared = files_in_shared
        self.names = list(reversed(path.split("/")))
        self._links = 0
        self._start()

    def step(self) -> None:
        """Follow the next component of the path."""
        name = self.names.pop()
        if not self._is_directory:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.here)
        if name == "..":
            # Only the target of a link has `..` in it, and the link was checked.
            self._arrive(os.path.dirname(self.here))  # noqa: PTH120
        elif name not in ("", "."):
            self._enter(os.path.join(self.here, name))  # noqa: PTH118

    def _start(self) -> None:
        self._arrive("/")

    def _arrive(self, path: str) -> None:
        facts = os.lstat(path)
        self.here = path
        self._is_shared = _judge(path, facts)
        self._is_directory = stat.S_ISDIR(facts.st_mode)

    def _enter(self, path: str) -> None:
        facts = os.lstat(path)
        if self._is_shared and not self._files_in_shared and not stat.S_ISDIR(facts.st_mode):
            raise _in_shared(self.here)
        if stat.S_ISLNK(facts.st_mode):
            self._follow(path, facts)
        else:
            self._arrive(path)

    def _follow(self, path: str, facts: os.stat_result) -> None:
        self._links += 1
        if self._links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        _judge_owner(path, facts)
        target = os.readlink(path)  # noqa: PTH115
        if target.startswith("/"):
            self._start()
        self.names += reversed(target.split("/"))


def _judge(path: str, facts: os.stat_result) -> bool:
    """Raise `UntrustedPathException` if others own or can write it; return whether it is a sticky shared directory."""
    _judge_owner(path, facts)
    if not _others_can_write(path, facts):
        return False
    if stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX:
        return True
    raise UntrustedPathException(f"others can write {path}", f"chmod go-w {path}")


def _judge_owner(path: str, facts: os.stat_result) -> None:
    if facts.st_uid not in _trusted():
        raise UntrustedPathException(f"{path} belongs to another user", f"chown {_own_name()} {path}")


def _in_shared(directory: str) -> UntrustedPathException:
    return UntrustedPathException(f"others can make files in {directory}", "use another directory")


def _others_can_write(path: str, facts: os.stat_result) -> bool:
    if facts.st_mode & stat.S_IWOTH:
        return True
    # With an access control list, the group bits are the mask of all entries in it.
    return bool(facts.st_mode & stat.S_IWGRP) and (_has_access_list(path) or not _is_private(facts.st_gid))


def _has_access_list(path: str) -> bool:
    try:
        return _ACCESS_LIST in os.listxattr(path, follow_symlinks=False)
    except AttributeError:
        # Not Linux.
        return False
    except OSError as exc:
        return exc.errno != errno.ENOTSUP


def _is_private(gid: int) -> bool:
    """Tell whether a group is root's, or has this process's user as its only member and the same name."""
    # Imported late: few files are writable by their group, and a cold command is measured in milliseconds.
    import grp
    import pwd

    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    names = _names(_trusted())
    return (
        group.gr_name in names
        and names.issuperset(group.gr_mem)
        and all(entry.pw_uid in _trusted() for entry in pwd.getpwall() if entry.pw_gid == gid)
    )


def _trusted() -> tuple[int, int]:
    return (ROOT, os.geteuid())


def _own_name() -> str:
    return next(iter(_names([os.geteuid()])), str(os.geteuid()))


def _names(uids: Iterable[int]) -> set[str]:
    import pwd

    names = set()
    for uid in uids:
        try:
            names.add(pwd.getpwuid(uid).pw_name)
        except KeyError:
            continue
    return names

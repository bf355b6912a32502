"""What can be done to files, by paths. Only regular files are opened: a device or a fifo could hold everything up."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .claims import Claim
from .open_file import OpenFile
from .places import Place, Places, Straight

_NOT_A_FILE = "only regular files can be read and written"
_OPENING = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FILE, _NEW_DIRECTORY = 0o666, 0o777
_PERMISSIONS = 0o777
"""What may be said of what is made; more than that only of what is there."""

PARTIAL = b".omny-part"
"""How names of files end that clients have not copied as a whole yet. Anybody can guess such a name in a directory that
many may write: so what is there is written on by its owner alone, and through no link. Nor does one stand in the way
to it: clients say it without, so that whoever puts one in a directory's place meanwhile leads no copy elsewhere."""

_NO_LINKS_HERE = (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)
"""With these a file system says that it has no hard links, or none for such a file."""


class Facts(NamedTuple):
    """What is to be set of a file; None leaves a fact as it is."""

    size: int | None = None
    owner: tuple[int, int] | None = None
    """Ids of user and group."""

    mode: int | None = None
    times: tuple[int, int] | None = None
    """When it was read and written, in nanoseconds since 1970."""


class Tree:
    """The files of a transfer. Each method raises `OSError`."""

    def __init__(self, places: Places, *, read_only: bool) -> None:
        self._places = places
        self._read_only = read_only
        self._claims: dict[bytes, Claim] = {}
        """On partial copies that are written to, by their paths."""

    @contextmanager
    def straight(self) -> Iterator[None]:
        """Have no link be followed meanwhile, also none that comes to stand in a directory's place."""
        places, self._places = self._places, Straight(self._places)
        try:
            yield
        finally:
            self._places = places

    def open(self, path: bytes, flags: int, mode: int | None, *, follow: bool = True) -> OpenFile:
        """Open a regular file, with flags of `os.open`; `mode` is that of one which is made.

        A link is followed, unless told otherwise or where the file has to be new.
        """
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
        if writes:
            self._check_writable()
        is_new = flags & os.O_EXCL != 0
        is_partial = writes and path.endswith(PARTIAL)
        is_left = is_partial and not is_new
        follow = follow and not is_new and not is_left
        changed = bool(flags & os.O_CREAT)
        with self._places.at(path, follow=follow, changed=changed, straight=is_partial) as place:
            if not is_new:
                _check_file(place)
            permissions = (_NEW_FILE if mode is None else mode) & _PERMISSIONS
            fd = _opened(place, flags, permissions, is_own=is_left)
        try:
            claim = self._claim(path, fd) if is_partial else None
        except BaseException:
            os.close(fd)
            raise
        return OpenFile(fd, is_hashed=is_partial or not writes, claim=claim, read_as=None if writes else path)

    def stat(self, path: bytes, *, follow: bool) -> os.stat_result:
        """Return the facts of what is there."""
        with self._places.at(path, follow=follow) as place:
            return _stat(place)

    def set(self, path: bytes, facts: Facts, *, follow: bool) -> None:
        """Set facts of what is there."""
        self._check_writable()
        if facts.size is not None:
            file = self.open(path, os.O_WRONLY, None, follow=follow)
            try:
                file.set(Facts(size=facts.size))
            finally:
                file.close()
        with self._places.at(path, follow=follow) as place:
            name, where = place.name, place.directory
            if facts.owner is not None:
                os.chown(name, *facts.owner, dir_fd=where, follow_symlinks=place.follows)
            if facts.mode is not None:
                _set_mode(place, stat.S_IMODE(facts.mode))
            if facts.times is not None:
                os.utime(name, ns=facts.times, dir_fd=where, follow_symlinks=place.follows)

    def set_of(self, file: OpenFile, facts: Facts) -> None:
        """Set facts of a file that is open."""
        self._check_writable()
        file.set(facts)

    def listing(self, path: bytes) -> "Listing":
        """Return what is in a directory."""
        with self._places.at(path, follow=True) as place:
            return Listing(_opened(place, os.O_RDONLY | os.O_DIRECTORY, 0))

    def make_directory(self, path: bytes, mode: int | None) -> None:
        """Make a directory."""
        self._check_writable()
        with self._places.at(path.rstrip(b"/") or path, changed=True) as place:
            permissions = (_NEW_DIRECTORY if mode is None else mode) & _PERMISSIONS
            os.mkdir(place.name, permissions, dir_fd=place.directory)

    def remove(self, path: bytes) -> None:
        """Remove what is no directory."""
        self._check_writable()
        with self._places.at(path, changed=True) as place:
            os.unlink(place.name, dir_fd=place.directory)

    def remove_directory(self, path: bytes) -> None:
        """Remove an empty directory."""
        self._check_writable()
        with self._places.at(path.rstrip(b"/") or path, changed=True) as place:
            os.rmdir(place.name, dir_fd=place.directory)

    def rename(self, old: bytes, new: bytes, *, over: bool) -> None:
        """Rename; `over` takes the place of what has the new name, where otherwise this fails."""
        self._check_writable()
        if old.endswith(PARTIAL):
            self._hold(old)
        with self._both(old, new, straight=old.endswith(PARTIAL)) as (here, there):
            if over:
                _rename(here, there)
            else:
                _rename_to_free(here, there)

    def link(self, old: bytes, new: bytes) -> None:
        """Give a file another name."""
        self._check_writable()
        with self._places.at(old, changed=True) as here, self._places.at(new, changed=True) as there:
            _link(here, there)

    def make_link(self, said: bytes, path: bytes) -> None:
        """Make a symbolic link, which may say anything: following it is another thing."""
        self._check_writable()
        with self._places.at(path, changed=True) as place:
            os.symlink(said, place.name, dir_fd=place.directory)

    def read_link(self, path: bytes) -> bytes:
        """Return what a link says."""
        with self._places.at(path) as place:
            return os.readlink(place.name, dir_fd=place.directory)

    def real(self, path: bytes) -> bytes:
        """Return a path without links."""
        return self._places.real(path)

    def room(self, path: bytes) -> os.statvfs_result:
        """Return how much there is of a file system."""
        with self._places.at(path, follow=True) as place:
            fd = _opened(place, getattr(os, "O_PATH", os.O_RDONLY), 0)
        try:
            return os.fstatvfs(fd)
        finally:
            os.close(fd)

    def leave_partials(self) -> None:
        """Let other copies have what is not written to now."""
        for claim in self._claims.values():
            claim.leave()

    def _claim(self, path: bytes, fd: int) -> Claim:
        """Claim a partial copy for as long as it is open."""
        claim = Claim(fd, lambda: self.stat(path, follow=False), lambda: self._claims.pop(path, None))
        self._claims[path] = claim
        return claim

    def _hold(self, path: bytes) -> None:
        """Make sure that a partial copy that is renamed is no other one's."""
        if path in self._claims:
            self._claims[path].hold()
            return
        with self._places.at(path) as place:
            if not stat.S_ISREG(_stat(place).st_mode):
                return
            fd = _opened(place, os.O_RDONLY, 0)
        try:
            self._claim(path, fd).ended()
        finally:
            os.close(fd)

    @contextmanager
    def _both(self, old: bytes, new: bytes, *, straight: bool) -> Iterator[tuple[Place, Place]]:
        """Yield the places of a file and of its new name; where both lie in one directory, there is one way to it."""
        above, _, name = new.rpartition(b"/")
        with self._places.at(old, changed=True, straight=straight) as here:
            if straight and above == old.rpartition(b"/")[0] and name not in (b"", b".", b".."):
                yield here, here._replace(name=name)
                return
            with self._places.at(new, changed=True, straight=straight) as there:
                yield here, there

    def _check_writable(self) -> None:
        if self._read_only:
            raise PermissionError(errno.EACCES, "this node gives files, and takes none")


class Listing:
    """The names in a directory, read as they are asked for, so that it may be of any size."""

    def __init__(self, fd: int) -> None:
        """The descriptor is owned from now on."""
        self._fd = fd
        try:
            self._entries: Iterator[os.DirEntry[str]] = os.scandir(fd)
        except OSError:
            os.close(fd)
            raise
        self._is_open = True

    def next(self) -> tuple[bytes, os.stat_result] | None:
        """Return the next name, and the facts of what has it; None at the end. Raises `OSError`."""
        for entry in self._entries if self._is_open else ():
            name = os.fsencode(entry.name)
            try:
                return name, os.lstat(name, dir_fd=self._fd)
            except FileNotFoundError:
                # It has gone meanwhile.
                continue
        return None

    def close(self) -> None:
        """Read no more. Idempotent."""
        if self._is_open:
            self._is_open = False
            self._entries.close()  # type: ignore[attr-defined]
            os.close(self._fd)


def _check_file(place: Place) -> None:
    """Refuse to open what is there and no regular file, as opening alone can have effects."""
    try:
        mode = _stat(place).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise PermissionError(errno.EACCES, _NOT_A_FILE)


def _opened(place: Place, flags: int, mode: int, *, is_own: bool = False) -> int:
    if not place.follows:
        flags |= os.O_NOFOLLOW
    # What is cut is cut when it is known to be a file.
    fd = os.open(place.name, (flags & ~os.O_TRUNC) | _OPENING, mode, dir_fd=place.directory)
    try:
        if flags & (os.O_DIRECTORY | getattr(os, "O_PATH", 0)):
            return fd
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise PermissionError(errno.EACCES, _NOT_A_FILE)
        if is_own and (found.st_uid != os.geteuid() or found.st_nlink != 1):
            raise PermissionError(errno.EACCES, "somebody else's file stands where a partial copy would")
        if flags & os.O_TRUNC:
            os.ftruncate(fd, 0)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _stat(place: Place) -> os.stat_result:
    return os.stat(place.name, dir_fd=place.directory, follow_symlinks=place.follows)


def _set_mode(place: Place, mode: int) -> None:
    if place.follows or os.chmod in os.supports_follow_symlinks:
        os.chmod(place.name, mode, dir_fd=place.directory, follow_symlinks=place.follows)
        return
    # The system can set the mode of a link's target alone, or of what is held open.
    fd = os.open(place.name, getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | _OPENING, dir_fd=place.directory)
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            raise OSError(errno.EOPNOTSUPP, "a link has no permissions of its own")
        os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)


def _rename(here: Place, there: Place) -> None:
    os.rename(here.name, there.name, src_dir_fd=here.directory, dst_dir_fd=there.directory)


def _link(here: Place, there: Place) -> None:
    os.link(here.name, there.name, src_dir_fd=here.directory, dst_dir_fd=there.directory, follow_symlinks=False)


def _rename_to_free(here: Place, there: Place) -> None:
    if not stat.S_ISDIR(_stat(here).st_mode):
        try:
            # No moment lies between looking and renaming: a link is never made in the place of something.
            _link(here, there)
        except OSError as exc:
            if exc.errno not in _NO_LINKS_HERE:
                raise
        else:
            os.unlink(here.name, dir_fd=here.directory)
            return
    try:
        os.lstat(there.name, dir_fd=there.directory)
    except FileNotFoundError:
        _rename(here, there)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

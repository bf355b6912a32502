"""Where the control groups of version 2 are, and plain reads and writes of their files."""

import errno
import os
from collections.abc import Collection
from contextlib import suppress

GONE = (errno.ENOENT, errno.ENODEV)
"""With these the system says that a group is no more. All else says nothing of what is in it, as where there is no
descriptor to look."""

_KIND = b"cgroup2"
_OWN = b"0::"
_MOST_READ = 1 << 20
_ROOT_FIELD, _POINT_FIELD = 3, 4


def group_of(process: int | str) -> str:
    """Return the directory of the group that a process is in; empty where there is none that can be seen from here.

    Raises `OSError`.
    """
    path = path_of(process)
    for root, point in _mounts():
        inside = os.path.relpath(path, root) if path else b".."
        if not inside.startswith(b"..") and os.path.isdir(os.path.join(point, inside)):
            return os.path.normpath(os.fsdecode(os.path.join(point, inside)))
    return ""


def path_of(process: int | str) -> bytes:
    """Return the group that a process is in, as the system names it; empty where it names none. Raises `OSError`."""
    return next((line[len(_OWN) :] for line in read(f"/proc/{process}/cgroup") if line.startswith(_OWN)), b"")


def _mounts() -> list[tuple[bytes, bytes]]:
    """Return which group each mount shows at its root, and where it is."""
    found = []
    for line in read("/proc/self/mountinfo"):
        fields, _, kind = line.partition(b" - ")
        if kind.split(b" ")[0] == _KIND:
            words = fields.split(b" ")
            found.append((_plain(words[_ROOT_FIELD]), _plain(words[_POINT_FIELD])))
    return found


def _plain(field: bytes) -> bytes:
    """Return a path of mountinfo without its octal escapes."""
    return field.decode("unicode_escape").encode("latin-1")


def read(path: str) -> list[bytes]:
    """Return the lines of a file of the system's. Raises `OSError`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while len(data) < _MOST_READ and (more := os.read(fd, _MOST_READ)):
            data += more
        return data.splitlines()
    finally:
        os.close(fd)


def write(path: str, text: str) -> None:
    """Write a text into a file at once. Raises `OSError`."""
    with open(path, "wb", buffering=0) as file:
        file.write(text.encode())


def words_of(path: str) -> set[bytes]:
    """Return the words of a file; none where it cannot be read."""
    with suppress(OSError):
        return {word for line in read(path) for word in line.split()}
    return set()


def enable(directory: str, controllers: Collection[str]) -> None:
    """Have the groups in a directory use those controllers that can be had there."""
    available = words_of(f"{directory}/cgroup.controllers") - words_of(f"{directory}/cgroup.subtree_control")
    for controller in controllers:
        if controller.encode() in available:
            with suppress(OSError):
                write(f"{directory}/cgroup.subtree_control", f"+{controller}")


def disable(directory: str, controllers: Collection[str]) -> None:
    """Have the groups in a directory use these controllers no more, as far as that can be."""
    for controller in controllers:
        with suppress(OSError):
            write(f"{directory}/cgroup.subtree_control", f"-{controller}")


def enable_above(path: str, controllers: Collection[str]) -> None:
    """Have a group that the system made use controllers: root may give them, from the top down."""
    above = [path]
    while os.path.exists(f"{os.path.dirname(above[-1])}/cgroup.controllers"):
        above.append(os.path.dirname(above[-1]))
    for directory in reversed(above[1:]):
        enable(directory, controllers)

"""Files that only their owner may read: written whole or not at all, and refused when others can read them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.paths import open_file, read_whole

_OTHERS = 0o077


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read or change, replacing what is there in one step.

    The mode is 0600 from the first byte, and the bytes are on disk before the name points at them: a reader,
    or a crash, sees the old contents or the new ones. Missing directories are made with mode 0700. A symbolic
    link is replaced, not followed. Raises `ConfigException` naming the file.
    """
    write_together({path: data})


def write_together(files: Mapping[Path, bytes], owner: tuple[int, int] | None = None) -> None:
    """Write files as `write_private` does, all of them whole on disk before the first one replaces what is there.

    They belong to `owner`, the numbers of a user and a group, where one is given. Raises `ConfigException`.
    """
    made = {path: path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp") for path in files}
    writing = next(iter(files))
    try:
        for writing, temporary in made.items():
            make_private_directory(writing.parent)
            _write_synced(temporary, files[writing], owner)
        for writing, temporary in made.items():
            temporary.replace(writing)
        for directory in {path.parent for path in files}:
            sync_directory(directory)
    except OSError as exc:
        for temporary in made.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise ConfigException(f"cannot write {writing}: {exc.strerror}") from exc


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Hold an exclusive lock while a file is read, changed and written; other processes that use `changing` wait.

    The lock is on the file's directory, so no lock file is left. Raises `ConfigException` where it cannot be had.
    """
    try:
        make_private_directory(path.parent)
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as exc:
        raise ConfigException(f"cannot write {path}: {exc.strerror}") from exc
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_private(path: Path) -> bytes | None:
    """Return a file's contents; None where there is no such file.

    Raises `ConfigException` when it cannot be read, or when group or others have any access to it: the text
    says how to mend that.
    """
    try:
        with open_file(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            data = read_whole(file)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
    if os.name == "posix" and mode & _OTHERS:
        raise ConfigException(f"{path} is open to other users of this machine: chmod 600 {path}")
    return data


def make_private_directory(path: Path) -> None:
    """Make a directory and its missing parents with mode 0700; existing ones keep their modes. Raises `OSError`."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(mode=0o700, exist_ok=True)


def _write_synced(path: Path, data: bytes, owner: tuple[int, int] | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None:
            os.fchown(descriptor, *owner)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the rename itself durable, where directories can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

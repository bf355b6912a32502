"""Puts new files in the place of old ones, in several directories: all of them or none, whenever that is ended.

What is under way stands in a note, `SWAP_FILE`, in the first of the directories, whose lock the caller holds. Until the
note says that all new files are there, `settle` removes them; from then on it goes on with the renames. They are of
files, and not of directories: these may be mount points, and links lead to them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.security.files import make_private_directory, sync_directory, write_private

SWAP_FILE = "swap.json"


class Place(msgspec.Struct, frozen=True, rename="camel"):
    """A directory, the names of files that leave it and of those that come, and where both kinds are meanwhile."""

    directory: str
    staging: str
    kept: str
    """Where the old files stay."""

    old: tuple[str, ...]
    new: tuple[str, ...]

    def at(self, directory: Path) -> "Place":
        """Return the same place where its directory is by now: a container mounts it elsewhere."""
        here, before = str(directory), len(self.directory)
        # Both begin with the directory's path: they are in it, or beside it under a longer name.
        staging, kept = here + self.staging[before:], here + self.kept[before:]
        return msgspec.structs.replace(self, directory=here, staging=staging, kept=kept)

    def prepare(self) -> None:
        """Make the directories that are missing. Raises `OSError`."""
        make_private_directory(Path(self.directory))
        Path(self.staging).mkdir(mode=0o700)
        if self.old:
            make_private_directory(Path(self.kept))

    def exchange(self) -> None:
        """Move the old files away and the new ones in, from whatever was done of that. Raises `OSError`."""
        for name in dict.fromkeys((*self.old, *self.new)):
            here, staged, kept = self._paths(name)
            waits = _is_there(staged)
            # What has its successor still in the staging directory, or gets none, is an old one.
            is_old = name in self.old and (waits or name not in self.new)
            if is_old and _is_there(here) and not _is_there(kept):
                here.rename(kept)
            if waits:
                staged.rename(here)
        for name in self.new:
            # Where a directory is gone, or not mounted, nothing waits in it either.
            Path(self.directory, name).lstat()
        self._sync()

    def undo(self) -> None:
        """Move them back, from whatever was done. Raises `OSError`."""
        for name in dict.fromkeys((*self.old, *self.new)):
            here, staged, kept = self._paths(name)
            if name in self.new and not _is_there(staged):
                here.rename(staged)
            if name in self.old and _is_there(kept):
                kept.rename(here)
        self._sync()

    def clear(self) -> None:
        """Remove the staging directory, and the one for old files where it is empty. Raises `OSError`."""
        if _is_there(Path(self.staging)):
            shutil.rmtree(self.staging)
        with suppress(OSError):
            Path(self.kept).rmdir()

    def _paths(self, name: str) -> tuple[Path, Path, Path]:
        return Path(self.directory, name), Path(self.staging, name), Path(self.kept, name)

    def _sync(self) -> None:
        for path in (self.directory, self.kept) if self.old else (self.directory,):
            sync_directory(Path(path))


Places = tuple[Place, ...]


class _Note(msgspec.Struct, frozen=True, rename="camel"):
    is_ready: bool
    places: Places


@contextmanager
def swapping(places: Places) -> Iterator[None]:
    """Have the caller put the new files, synced, into the staging directories, and exchange them when it is done.

    Raises `ConfigException` and `OSError` where that cannot be done. Nothing has changed then, or the text says that
    `settle` does it later.
    """
    try:
        _write(places, is_ready=False)
        for place in places:
            place.prepare()
        yield
        for place in places:
            sync_directory(Path(place.staging))
        _write(places, is_ready=True)
        for place in places:
            place.exchange()
    except BaseException:
        _undo(places)
        raise
    _end(places)


def settle(directory: Path) -> None:
    """Finish, or undo, what a command that was killed had begun there. Raises `ConfigException` where that fails."""
    try:
        for unwritten in directory.glob(f".{SWAP_FILE}.*.tmp"):
            unwritten.unlink()
        note = _read(directory / SWAP_FILE)
        if note is None:
            return
        places = (note.places[0].at(directory.resolve()), *note.places[1:])
        for place in places if note.is_ready else ():
            place.exchange()
        _end(places)
    except OSError as exc:
        text = f"cannot finish what `hub restore` began in {directory}: {exc.filename}: {exc.strerror}"
        raise ConfigException(f"{text}; see to that, and try again; {SWAP_FILE} there has the places") from exc


def place_for_old(directory: Path, beside: Path, inside: Path) -> Path:
    """Return where files of a directory can be renamed to: beside it, where the file system lets them, or inside.

    Makes what it returns. Raises `OSError`.
    """
    inside.mkdir(mode=0o700)
    try:
        # Another mount of the same device looks the same, and nothing can be renamed to it: trying tells.
        inside.rename(beside)
    except OSError:
        return inside
    sync_directory(directory)
    return beside


def _is_there(path: Path) -> bool:
    """Tell whether a name is taken. Raises `OSError` where that cannot be told, unlike `os.path.lexists`."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _undo(places: Places) -> None:
    try:
        if (note := _read(Path(places[0].directory, SWAP_FILE))) is not None and note.is_ready:
            for place in places:
                place.undo()
            _write(places, is_ready=False)
        _end(places)
    except (OSError, ConfigException) as exc:
        text = f"what `hub restore` began in {places[0].directory} could neither be finished nor undone: {exc}"
        raise ConfigException(f"{text}; the next start of the hub, or `hub restore` again, goes on with it") from exc


def _end(places: Places) -> None:
    for place in places:
        place.clear()
    note = Path(places[0].directory, SWAP_FILE)
    note.unlink(missing_ok=True)
    sync_directory(note.parent)


def _write(places: Places, *, is_ready: bool) -> None:
    note = _Note(is_ready=is_ready, places=places)
    write_private(Path(places[0].directory, SWAP_FILE), msgspec.json.encode(note))


def _read(path: Path) -> _Note | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Note)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as exc:
        raise ConfigException(f"{path} is damaged: it says which files `hub restore` was about to exchange") from exc

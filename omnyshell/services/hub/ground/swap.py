"""Replaces files in several directories, all of them or none, even if the process is killed.

A note, `SWAP_FILE`, in the first of the directories, whose lock the caller holds, describes the operation. Until the
note says that all new files are ready, `settle` removes them; after that it completes the renames. Files are renamed,
not directories, as those may be mount points or targets of links.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.paths import read_file
from omnyshell.security.files import make_private_directory, sync_directory, write_private

SWAP_FILE = "swap.json"


class Place(msgspec.Struct, frozen=True, rename="camel"):
    """A directory, the names of its old and of its new files, and the directories for both during the exchange."""

    directory: str
    staging: str
    kept: str
    """The directory to which old files are moved."""

    old: tuple[str, ...]
    new: tuple[str, ...]

    def at(self, directory: Path) -> "Place":
        """Return the same place under the directory's present path: a container may mount it elsewhere."""
        here, before = str(directory), len(self.directory)
        # Both paths begin with the directory's path: they are in it, or beside it with a longer name.
        staging, kept = here + self.staging[before:], here + self.kept[before:]
        return msgspec.structs.replace(self, directory=here, staging=staging, kept=kept)

    def prepare(self) -> None:
        """Create missing directories. Raises `OSError`."""
        make_private_directory(Path(self.directory))
        Path(self.staging).mkdir(mode=0o700)
        if self.old:
            make_private_directory(Path(self.kept))

    def exchange(self) -> None:
        """Move the old files away and the new ones in, continuing after an interruption. Raises `OSError`."""
        for name in dict.fromkeys((*self.old, *self.new)):
            here, staged, kept = self._paths(name)
            waits = _is_there(staged)
            # A file is an old one if its successor is still in the staging directory, or it gets none.
            is_old = name in self.old and (waits or name not in self.new)
            if is_old and _is_there(here) and not _is_there(kept):
                here.rename(kept)
            if waits:
                staged.rename(here)
        for name in self.new:
            # Raises if the directory is missing or not mounted, where the staged file would seem to be missing too.
            Path(self.directory, name).lstat()
        self._sync()

    def undo(self) -> None:
        """Move all files back, from any stage of the exchange. Raises `OSError`."""
        for name in dict.fromkeys((*self.old, *self.new)):
            here, staged, kept = self._paths(name)
            if name in self.new and not _is_there(staged):
                here.rename(staged)
            if name in self.old and _is_there(kept):
                kept.rename(here)
        self._sync()

    def clear(self) -> None:
        """Remove the staging directory, and the one for old files if it is empty. Raises `OSError`."""
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
    """Let the caller write and sync the new files in the staging directories, and exchange them at the end.

    Raises `ConfigException` or `OSError` if it fails. Either nothing has changed then, or the text says that `settle`
    will complete it.
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
    """Complete or undo the exchange of a killed command. Raises `ConfigException` if that fails."""
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
    """Return a new directory to which a directory's files can be renamed.

    It is `beside` if the file system allows, or `inside`.

    Creates it. Raises `OSError`.
    """
    inside.mkdir(mode=0o700)
    try:
        # Another mount of the same device cannot be recognized, but renaming to it fails, so try it.
        inside.rename(beside)
    except OSError:
        return inside
    sync_directory(directory)
    return beside


def _is_there(path: Path) -> bool:
    """Tell whether a name exists. Unlike `os.path.lexists`, raises `OSError` if that cannot be determined."""
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
        return msgspec.json.decode(read_file(path), type=_Note)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as exc:
        raise ConfigException(f"{path} is damaged: it says which files `hub restore` was about to exchange") from exc

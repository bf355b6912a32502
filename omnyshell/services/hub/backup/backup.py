"""Backs up a hub, running or not: a consistent copy of its state, and the files that its options name."""

import os
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from glob import escape as glob_escape
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException, Remedy
from omnyshell.model.schema import write_timestamp
from omnyshell.paths import read_file
from omnyshell.security.files import sync_directory, write_private
from omnyshell.security.sealed_stream import Lock, SealingStream
from omnyshell.services.hub.audit.offline_notes import SCHEMA, note
from omnyshell.services.hub.audit.witness import read_noted
from omnyshell.services.hub.backup.archive import (
    AUTHORITIES,
    CONFIG,
    SETTINGS,
    STATE,
    Manifest,
    entry,
    write_archive,
)
from omnyshell.services.hub.backup.free_space import check_room
from omnyshell.services.hub.backup.maker import BackupSigner
from omnyshell.services.hub.ground.database import LOCKED_WAIT, open_database
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE, CLUSTER_NAMES, DATABASES, STATE_NAMES
from omnyshell.services.hub.ground.swap import SWAP_FILE
from omnyshell.services.hub.ground.unfinished import BACKUPS, remove_unfinished, under_way
from omnyshell.version import __version__

TRIES = 10
"""Attempts to copy the two databases when they are consistent with each other; a hub changes both once a minute."""


@dataclass(frozen=True, slots=True)
class BackupFile:
    """The file to write, how it is encrypted, and who makes it, for the hub's audit."""

    path: Path
    lock: Lock
    replace: bool = False
    by: str = ""


def back_up(directory: Path, settings: Mapping[str, Path], target: BackupFile, clock: Clock) -> Manifest:
    """Write a backup of a state directory, and of the files that `settings` names by the keys of `SETTINGS`.

    These must include the hub's certificate and key, which sign the backup. Raises `ConfigException` if something
    cannot be read or written, or if the target exists and must not be replaced. The target is written completely, or
    not at all.
    """
    _check_target(target)
    if not {"cert", "key"} <= set(settings):
        raise ConfigException("a backup is signed with the hub's key").advising(Remedy.NAME_SIGNER)
    signer = BackupSigner(settings["cert"], settings["key"])
    try:
        _check_settled(directory)
        remove_unfinished(directory.glob(f"{BACKUPS}*"))
        sources = _sources(directory, settings)
        size = sum(path.stat().st_size for path in (*sources.values(), *directory.glob("*.sqlite3-wal")))
        check_room([(directory, size), (target.path.parent, size)])
        # Copies of the databases are as secret as the originals, so they are kept in the same directory.
        with under_way(Path(tempfile.mkdtemp(prefix=BACKUPS, dir=directory))) as staging:
            files = _copied(directory, sources, staging)
            _check_settled(directory)
            manifest = Manifest(
                version=__version__,
                maker=signer.maker,
                created_at=write_timestamp(clock.now()),
                files=tuple(entry(name, path) for name, path in files.items()),
            )
            _write(directory, target, manifest, files, signer)
    except sqlite3.Error as exc:
        raise ConfigException(f"cannot copy the hub's databases in {directory}: {exc}") from exc
    except OSError as exc:
        raise ConfigException(f"cannot make the backup: {exc.filename or target.path}: {exc.strerror}") from exc
    return manifest


def _check_target(target: BackupFile) -> None:
    if target.path.exists() and not target.replace:
        raise ConfigException(f"{target.path} exists: choose another name, or replace it").advising(Remedy.REPLACE_FILE)
    if not target.path.parent.is_dir():
        raise ConfigException(f"there is no directory {target.path.parent}")


def _check_settled(directory: Path) -> None:
    if (directory / SWAP_FILE).exists():
        text = f"`hub restore` is at work in {directory}, or was interrupted: what is there may be of two hubs"
        raise ConfigException(f"{text}; start the hub, or run `hub restore` again, and then try again")


def _sources(directory: Path, settings: Mapping[str, Path]) -> dict[str, Path]:
    """Return the source files, by their names in a backup."""
    for name in DATABASES:
        if not (directory / name).is_file():
            text = f"{directory / name} is missing: is that the state directory of a hub, which has run?"
            raise ConfigException(text)
    names = (*STATE_NAMES, *CLUSTER_NAMES)
    sources = {STATE + name: directory / name for name in names if (directory / name).exists()}
    sources |= {CONFIG + SETTINGS[key]: path for key, path in settings.items()}
    for path in {settings[key].parent for key in ("cert", "tunnel_cert") if key in settings}:
        sources |= {CONFIG + name: path / name for name in AUTHORITIES if (path / name).exists()}
    return sources


def _copied(directory: Path, sources: Mapping[str, Path], staging: Path) -> dict[str, Path]:
    """Copy all files; return the copies, by their names in a backup.

    The databases come last: a hub that ends founding meanwhile has yet to do so in the copy, which does no harm, where
    the other way round it would take the beginning of the hubs' log for changes of what it holds already.
    """
    databases = {STATE + name: staging / name for name in DATABASES}
    copies = {}
    for number, (name, path) in enumerate(sources.items()):
        if name in databases:
            continue
        copies[name] = staging / str(number)
        write_private(copies[name], read_file(path))
    _copy_databases(directory, staging)
    return databases | copies


def _copy_databases(directory: Path, staging: Path) -> None:
    """Copy both databases in a consistent state.

    The state is read before the audit trail, and its noted head of the trail must be the same before and after. So the
    two copies fit together as the originals did.
    """
    for _ in range(TRIES):
        noted = read_noted(directory / STATE_FILE)
        with closing(_reading(directory / STATE_FILE)) as state, closing(_reading(directory / AUDIT_FILE)) as audit:
            if read_noted(directory / STATE_FILE) == noted:
                _copy(state, staging / STATE_FILE)
                _copy(audit, staging / AUDIT_FILE)
                return
    raise ConfigException("the hub writes so much that its databases never fit together: try again")


def _reading(path: Path) -> sqlite3.Connection:
    """Open a database, and begin a read transaction, so that this connection sees one state. Raises `sqlite3.Error`."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    database = sqlite3.connect(uri, uri=True, timeout=LOCKED_WAIT, isolation_level=None)
    try:
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _copy(database: sqlite3.Connection, path: Path) -> None:
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as copy:
        database.backup(copy)


def _write(
    directory: Path, target: BackupFile, manifest: Manifest, files: Mapping[str, Path], signer: BackupSigner
) -> None:
    path = target.path
    remove_unfinished(path.parent.glob(f".{glob_escape(path.name)}.*.part"))
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file, under_way(Path(temporary)):
        write_archive(SealingStream(file, target.lock), manifest, files, signer.sign)
        file.flush()
        os.fsync(file.fileno())
        _check_target(target)
        _note(directory, target, manifest)
        Path(temporary).replace(path)
    sync_directory(path.parent)


def _note(directory: Path, target: BackupFile, manifest: Manifest) -> None:
    """Leave a note for the hub to audit, before the backup exists."""
    made = f"{target.path.absolute()}, of {manifest.created_at}, {target.lock.told}"
    with closing(open_database(directory / STATE_FILE, SCHEMA)) as database:
        note(database, "hub.backup", f"{made}, by {target.by or 'an unknown user'}")

"""Backs up a hub, also one that runs: its state as it was at one moment, and the files that its options name."""

import os
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException
from omnyshell.model.schema import write_timestamp
from omnyshell.security.files import sync_directory, write_private
from omnyshell.security.sealed_stream import Lock, SealingStream
from omnyshell.security.uid_store import UidStore
from omnyshell.services.hub.audit_store import AUDIT_FILE
from omnyshell.services.hub.audit_witness import read_noted
from omnyshell.services.hub.backup_archive import (
    AUTHORITIES,
    CONFIG,
    DATABASES,
    SETTINGS,
    STATE,
    STATE_NAMES,
    Manifest,
    entry,
    write_archive,
)
from omnyshell.services.hub.database import LOCKED_WAIT
from omnyshell.services.hub.store import STATE_FILE
from omnyshell.version import __version__

TRIES = 10
"""How often the two databases are looked at for a moment at which they fit together; a hub parts them once a minute."""


def back_up(
    directory: Path, settings: Mapping[str, Path], target: Path, lock: Lock, clock: Clock, *, replace: bool
) -> Manifest:
    """Write a backup of a state directory, and of the files that `settings` names by the keys of `SETTINGS`.

    Raises `ConfigException` where something cannot be read or written, and where the target is there and not to be
    replaced. The target is whole, or it is not there.
    """
    _check_target(target, replace=replace)
    try:
        # Copies of the databases are as secret as they are: they stay in the same directory meanwhile.
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=directory) as staging:
            files = _gathered(directory, settings, Path(staging))
            record = UidStore.for_hub(directory, clock).read()
            manifest = Manifest(
                version=__version__,
                hub=record.uid if record is not None else "",
                created_at=write_timestamp(clock.now()),
                files=tuple(entry(name, path) for name, path in files.items()),
            )
            _write(target, manifest, files, lock, replace=replace)
    except sqlite3.Error as exc:
        raise ConfigException(f"cannot copy the hub's databases in {directory}: {exc}") from exc
    except OSError as exc:
        raise ConfigException(f"cannot make the backup: {exc.filename or target}: {exc.strerror}") from exc
    return manifest


def _check_target(target: Path, *, replace: bool) -> None:
    if target.exists() and not replace:
        raise ConfigException(f"{target} exists: choose another name, or replace it with --force")
    if not target.parent.is_dir():
        raise ConfigException(f"there is no directory {target.parent}")


def _gathered(directory: Path, settings: Mapping[str, Path], staging: Path) -> dict[str, Path]:
    """Copy all files; returns the copies by their names in a backup."""
    sources = {STATE + name: directory / name for name in STATE_NAMES if name not in DATABASES}
    sources = {name: path for name, path in sources.items() if path.exists()}
    sources |= {CONFIG + SETTINGS[key]: path for key, path in settings.items()}
    for path in {settings[key].parent for key in ("cert", "tunnel_cert") if key in settings}:
        sources |= {CONFIG + name: path / name for name in AUTHORITIES if (path / name).exists()}
    copies = {STATE + name: staging / name for name in DATABASES}
    _copy_databases(directory, staging)
    for number, (name, path) in enumerate(sources.items()):
        copies[name] = staging / str(number)
        write_private(copies[name], path.read_bytes())
    return copies


def _copy_databases(directory: Path, staging: Path) -> None:
    """Copy both as they were at one moment.

    The audit is read behind the other one, whose note of where the trail ends is the same before and behind: so each
    knows of the other what it knew when both were on the hub's disk.
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
    """Open a database, which does not change from then on for this connection. Raises `ConfigException`."""
    if not path.is_file():
        raise ConfigException(f"{path} is missing: is that the state directory of a hub, which has run?")
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


def _write(target: Path, manifest: Manifest, files: Mapping[str, Path], lock: Lock, *, replace: bool) -> None:
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            write_archive(SealingStream(file, lock), manifest, files)
            file.flush()
            os.fsync(file.fileno())
        _check_target(target, replace=replace)
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    sync_directory(target.parent)

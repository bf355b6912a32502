"""Restores a hub from a backup: everything is checked first, and what was there before is kept beside it."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException
from omnyshell.model.schema import write_timestamp
from omnyshell.security.files import make_private_directory, sync_directory, write_private
from omnyshell.security.sealed_stream import SealedFile, Unlock
from omnyshell.services.hub.backup_archive import CONFIG, STATE, Manifest, read_archive
from omnyshell.services.hub.restored import Restored, note_restored
from omnyshell.services.hub.state_lock import LOCK_FILE, StateLock


def restore(source: Path, unlock: Unlock, state: Path, config: Path | None, clock: Clock, *, replace: bool) -> Manifest:
    """Restore a state directory, and where `config` is given the other files of the backup in there.

    Raises `ConfigException` where the backup is not whole, a hub uses the directory, or something is there that is not
    to be replaced: nothing has changed then.
    """
    try:
        with source.open("rb") as file:
            sealed = SealedFile(file, unlock)
            manifest = read_archive(sealed)
            _check_free(config, _names(manifest, CONFIG), replace=replace)
            lock = StateLock(state)
            try:
                _restore(sealed, manifest, state, config, clock, replace=replace)
            finally:
                lock.release()
    except OSError as exc:
        raise ConfigException(f"cannot restore: {exc.filename or source}: {exc.strerror}") from exc
    return manifest


def _restore(
    sealed: SealedFile, manifest: Manifest, state: Path, config: Path | None, clock: Clock, *, replace: bool
) -> None:
    before = sorted(path for path in state.iterdir() if path.name != LOCK_FILE)
    if before and not replace:
        raise ConfigException(f"{state} is not empty: choose another directory, or --force, which keeps the old files")
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=state) as place:
        staging = Path(place)
        read_archive(sealed, staging)
        stamp = f"before-{clock.now():%Y%m%dT%H%M%S}-{os.urandom(2).hex()}"
        if before:
            _keep(before, state.resolve().with_name(f"{state.resolve().name}.{stamp}"))
        told = Restored(manifest.hub, manifest.version, manifest.created_at, write_timestamp(clock.now()))
        note_restored(state, told)
        _move(staging / STATE, _names(manifest, STATE), state)
        if config is not None:
            _restore_config(staging / CONFIG, _names(manifest, CONFIG), config, stamp)


def _restore_config(staging: Path, names: list[str], config: Path, stamp: str) -> None:
    make_private_directory(config)
    if present := [config / name for name in names if os.path.lexists(config / name)]:
        _keep(present, config / stamp)
    for name in names:
        write_private(config / name, (staging / name).read_bytes())


def _check_free(config: Path | None, names: Iterable[str], *, replace: bool) -> None:
    if config is None or replace:
        return
    for name in names:
        if os.path.lexists(config / name):
            text = f"{config / name} exists: choose another --out, or --force, which keeps the old files"
            raise ConfigException(text)


def _keep(paths: Iterable[Path], where: Path) -> None:
    where.mkdir(mode=0o700)
    for path in paths:
        path.rename(where / path.name)


def _move(staging: Path, names: Iterable[str], where: Path) -> None:
    for name in names:
        with (staging / name).open("rb") as file:
            os.fsync(file.fileno())
        (staging / name).replace(where / name)
    sync_directory(where)


def _names(manifest: Manifest, kind: str) -> list[str]:
    return [member.name.removeprefix(kind) for member in manifest.files if member.name.startswith(kind)]

"""Restores a hub from a backup. Everything is checked first, and old files are kept."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException, Remedy
from omnyshell.model.schema import write_timestamp
from omnyshell.security.files import make_private_directory, sync_directory, write_private
from omnyshell.security.sealed_stream import SealedFile, Unlock
from omnyshell.services.hub.backup.archive import CONFIG, STATE, Manifest, read_archive
from omnyshell.services.hub.backup.free_space import check_room
from omnyshell.services.hub.ground.restored import RESTORED_FILE, Restored
from omnyshell.services.hub.ground.state_lock import LOCK_FILE, StateLock
from omnyshell.services.hub.ground.state_names import CLUSTER_DIRECTORY
from omnyshell.services.hub.ground.swap import Place, place_for_old, swapping
from omnyshell.services.hub.ground.unfinished import BACKUPS

_BEFORE = "before-"
"""Prefix of the directories for old files."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a backup is restored. Files that options name go to `config`, or if that is None to the state directory."""

    state: Path
    config: Path | None = None
    replace: bool = False
    """Whether existing files may be moved away."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """The result: what was restored, and the directories to which old files were moved."""

    manifest: Manifest
    kept: tuple[str, ...]


def restore(
    source: Path, unlock: Unlock, target: Target, clock: Clock, *, expected: str = "", by: str = ""
) -> Restoration:
    """Restore a hub. If `expected` is given, the backup must be of the hub with that UID. `by` is who restores it.

    Raises `ConfigException`, and changes nothing, if the backup is incomplete or another hub's, a hub uses the
    directory, there is not enough space, or files exist that must not be replaced.
    """
    try:
        with source.open("rb") as file:
            sealed = SealedFile(file, unlock)
            manifest = read_archive(sealed)
            _check_maker(manifest, expected)
            _check_config(target, manifest)
            lock = StateLock(target.state)
            try:
                now = clock.now()
                told = Restored(
                    hub=manifest.maker.uid,
                    version=manifest.version,
                    created_at=manifest.created_at,
                    restored_at=write_timestamp(now),
                    source=str(source.absolute()),
                    by=by,
                )
                kept = _restore(sealed, manifest, target, told, now)
            finally:
                lock.release()
    except OSError as exc:
        raise ConfigException(f"cannot restore: {exc.filename or source}: {exc.strerror}") from exc
    return Restoration(manifest, kept)


def _check_maker(manifest: Manifest, expected: str) -> None:
    made_by = manifest.maker.uid
    if expected and made_by != expected:
        raise ConfigException(f"the backup was made by {made_by}, and not by {expected}: it is not restored")


def _check_config(target: Target, manifest: Manifest) -> None:
    config = target.config
    if config is None:
        return
    if Path(os.path.realpath(config)).is_relative_to(os.path.realpath(target.state)):
        raise ConfigException(f"{config} is the state directory, or in it: choose another")
    for name in () if target.replace else _names(manifest, CONFIG):
        if os.path.lexists(config / name):
            text = f"{config / name} exists: choose another directory, or have the old files moved beside"
            raise ConfigException(text).advising(Remedy.MOVE_OLD_FILES)


def _restore(sealed: SealedFile, manifest: Manifest, target: Target, told: Restored, now: datetime) -> tuple[str, ...]:
    state = Path(os.path.realpath(target.state))
    before = sorted(path.name for path in state.iterdir() if not _stays(path.name))
    if before and not target.replace:
        text = f"{state} is not empty: choose another directory, or have the old files moved beside"
        raise ConfigException(text).advising(Remedy.MOVE_OLD_FILES)
    config = Path(os.path.realpath(target.config)) if target.config is not None else None
    _check_room(manifest, state, config)
    mark = os.urandom(2).hex()
    stamp = f"{_BEFORE}{now:%Y%m%dT%H%M%S}-{mark}"
    kept = state / stamp
    if before:
        kept = place_for_old(state, state.with_name(f"{state.name}.{stamp}"), kept)
    staging = state / f".restore-{mark}"
    # What is in a directory of the state directory comes with it, as one name.
    new = (*dict.fromkeys(name.partition("/")[0] for name in _names(manifest, STATE)), RESTORED_FILE)
    places = {STATE: Place(str(state), str(staging), str(kept), tuple(before), new)}
    if config is not None:
        new = tuple(_names(manifest, CONFIG))
        old = tuple(name for name in new if os.path.lexists(config / name))
        places[CONFIG] = Place(str(config), str(config / staging.name), str(config / stamp), old, new)
    with swapping(tuple(places.values())):
        read_archive(sealed, _placing(places))
        if (others := staging / CLUSTER_DIRECTORY).exists():
            sync_directory(others)
        write_private(staging / RESTORED_FILE, msgspec.json.encode(told))
    return tuple(place.kept for place in places.values() if place.old)


def _stays(name: str) -> bool:
    return name == LOCK_FILE or name.startswith((_BEFORE, BACKUPS))


def _check_room(manifest: Manifest, state: Path, config: Path | None) -> None:
    sizes = {kind: sum(one.size for one in manifest.files if one.name.startswith(kind)) for kind in (STATE, CONFIG)}
    check_room([(state, sizes[STATE]), *([(config, sizes[CONFIG])] if config is not None else [])])


def _placing(places: dict[str, Place]) -> Callable[[str], Path | None]:
    def place(name: str) -> Path | None:
        kind, _, rest = name.partition("/")
        found = places.get(f"{kind}/")
        if found is None:
            return None
        path = Path(found.staging, rest)
        make_private_directory(path.parent)
        return path

    return place


def _names(manifest: Manifest, kind: str) -> list[str]:
    return [member.name.removeprefix(kind) for member in manifest.files if member.name.startswith(kind)]

"""Begins another log where the engine has lost what it had acknowledged (docs/cluster.md#restoring)."""

import asyncio
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from omnyshell.errors import ConfigException, OmnyShellException, Remedy
from omnyshell.services.hub.cluster.members.identity import ClusterFiles, Identity, Standing
from omnyshell.services.hub.cluster.members.restored import Restored, line_of, read_restored
from omnyshell.services.hub.cluster.members.signing import digest
from omnyshell.services.hub.cluster.nats.beside_a_hub import connected
from omnyshell.services.hub.cluster.nats.connection import EngineConnection
from omnyshell.services.hub.cluster.nats.streams import Client, origin_of, truth_stream
from omnyshell.services.hub.cluster.shared.end_of_log import EndOfLog, EndsOfLogs
from omnyshell.services.hub.cluster.shared.genesis import genesis
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.truth.log import SqliteLog, set_position
from omnyshell.services.hub.truth.member_changes import AddMember
from omnyshell.services.hub.truth.tables import empty_tables

TIMEOUT = 15.0
"""Seconds in which the engine says whether it has the log."""

ALIVE = "the engine has the log of this cluster, whole as far as this hub has read it: nothing is to be restored"
UNKNOWN = "the engine does not say whether it has the log: start its servers first"


@contextmanager
def _can_be_done_again() -> Iterator[None]:
    """Say so where a disk fails: nothing is half done, at whatever moment that is."""
    try:
        yield
    except ConfigException as exc:
        cause = exc.__cause__
        if isinstance(cause, sqlite3.Error) or (isinstance(cause, OSError) and cause.errno):
            raise ConfigException(f"{exc}: mend that, and run this again") from exc
        raise


@_can_be_done_again()
def restore(state_dir: Path, settings: ClusterSettings, copy: Path | None, *, is_forced: bool) -> tuple[str, Path]:
    """Have the hub that founded begin another log, when it is started, with what it holds or what a `copy` holds.

    `copy` is the state file of another hub of the cluster. Return the line for the other hubs, and where the state
    before lies. Nobody else may use the state directory. Raises `ConfigException`; unless it `is_forced`, also where
    the log is not lost, or the copy is older than what this hub holds. Until the hub is started it can be done again.
    """
    files = ClusterFiles(state_dir)
    standing = files.read()
    own = _before_restoring(standing.identity)
    if not files.has_founded:
        raise ConfigException(f"this hub cannot begin a log: '{own.founder}', which founded the cluster, does")
    with closing(StateFile(state_dir / STATE_FILE)) as file:
        if not is_forced:
            asyncio.run(_check_is_lost(standing, own.generation, settings, file))
        applied = SqliteLog(file, own.generation).applied_seq
        with _kept_before(file, state_dir, own.generation) as before:
            if copy is not None:
                applied = _take_over(file, copy, own, applied, is_forced=is_forced)
    restored = Restored(own.cluster, own.generation, secrets.token_hex(4), applied)
    begun = msgspec.structs.replace(own, generation=restored.generation, is_founding=True, restored=own.generation)
    with files.changing_engine_users() as users:
        # Their lines name the log that is lost.
        users.invited.clear()
    # Written last: until then the hub goes by the earlier log, and holds what somebody had applied of that.
    files.write_identity(begun)
    return line_of(restored, standing.key), before


@_can_be_done_again()
def follow(state_dir: Path, line: str, *, is_forced: bool) -> Path:
    """Have a hub go by the log that the founder has begun: it reads all of it anew when it is started.

    Return where its state before lies. Nobody else may use the state directory. Raises `ConfigException`, unless it
    `is_forced` also where this hub has applied more than that log begins with.
    """
    files = ClusterFiles(state_dir)
    own = files.read().identity
    restored = read_restored(line, own)
    with closing(StateFile(state_dir / STATE_FILE)) as file:
        applied = SqliteLog(file, own.generation).applied_seq
        if applied > restored.applied and not is_forced:
            text = f"this hub has applied {applied} changes, and the new log begins with {restored.applied} of them"
            raise ConfigException(text).advising(Remedy.COPY_NEWER_STATE)
        EndsOfLogs(file)
        with _kept_before(file, state_dir, own.generation) as before, file.transaction():
            empty_tables(file)
            set_position(file, own.generation, 0)
            file.run("DELETE FROM shared_log")
    files.write_identity(msgspec.structs.replace(own, generation=restored.generation, is_founding=False))
    return before


async def is_lost(connection: EngineConnection, client: Client, generation: str, file: StateFile) -> bool:
    """Whether the engine lacks the log, or some of what this hub has applied of it.

    Raises `EngineAwayException` and `NotPermittedException`.
    """
    applied, end = _end(file, generation)
    stream = truth_stream(generation)
    origin = await origin_of(client, stream)
    if origin is None or end is None:
        return applied > (origin.last if origin is not None else 0)
    if origin.created != end.created or origin.last < applied:
        return True
    # It may have gone on with other records under the same numbers.
    last = await connection.next_of(stream, applied)
    return last is None or last.seq != applied or digest(last.data) != end.digest


def _end(file: StateFile, generation: str) -> tuple[int, EndOfLog | None]:
    """Return the number of the last record that was applied, and what is noted of it, which a hub may go on with."""
    ends = EndsOfLogs(file)
    end = ends.read(generation)
    while True:
        applied, before, end = SqliteLog(file, generation).applied_seq, end, ends.read(generation)
        if end == before:
            return applied, end


def _before_restoring(own: Identity) -> Identity:
    """Return who the hub was before it was told to begin a log that it has not begun yet."""
    return msgspec.structs.replace(own, generation=own.restored, is_founding=False) if own.restored else own


async def _check_is_lost(standing: Standing, generation: str, settings: ClusterSettings, file: StateFile) -> None:
    try:
        async with asyncio.timeout(TIMEOUT), connected(standing, settings) as (connection, client):
            lost = await is_lost(connection, client, generation, file)
    except (TimeoutError, OmnyShellException) as exc:
        raise ConfigException(UNKNOWN).advising(Remedy.BEGIN_ANOTHER_LOG) from exc
    if not lost:
        raise ConfigException(ALIVE).advising(Remedy.BEGIN_ANOTHER_LOG)


def _take_over(file: StateFile, copy: Path, own: Identity, applied: int, *, is_forced: bool) -> int:
    """Have the tables be those of another hub's state file; return how many changes that had applied."""
    with _opened(copy) as other:
        theirs = SqliteLog(other, own.generation).applied_seq
        if not theirs:
            logs = ", ".join(name for (name,) in other.run("SELECT log FROM applied ORDER BY log") if name)
            text = f"that goes by the log {logs}" if logs else "that has applied none"
            raise ConfigException(f"this hub goes by the log {own.generation}; {copy} is a state file of one {text}")
        if theirs < applied and not is_forced:
            text = f"{copy} has {theirs} changes, and this hub {applied}: begin with what this hub has"
            raise ConfigException(text).advising(Remedy.BEGIN_ANOTHER_LOG)
        rows = [change for each in genesis(other, _founder(own)) for change in each.changes]
        end = EndsOfLogs(other).read(own.generation)
    ends = EndsOfLogs(file)
    with file.transaction():
        empty_tables(file)
        for change in rows:
            change.apply(file)
        set_position(file, own.generation, theirs)
        file.run("DELETE FROM shared_log")
        if end is not None:
            ends.note(own.generation, end)
    return theirs


def _founder(own: Identity) -> AddMember:
    return AddMember(own.founder, own.founder_key, own.founded_at)


@contextmanager
def _opened(copy: Path) -> Iterator[StateFile]:
    """Open a copy of a state file, which stays as it is."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / STATE_FILE
        try:
            for end in ("", "-wal"):
                if Path(f"{copy}{end}").exists() or not end:
                    shutil.copyfile(f"{copy}{end}", f"{path}{end}")
        except OSError as exc:
            raise ConfigException(f"cannot read {copy}: {exc.strerror}") from exc
        with closing(StateFile(path)) as file:
            yield file


@contextmanager
def _kept_before(file: StateFile, state_dir: Path, generation: str) -> Iterator[Path]:
    """Copy the state file as it is, whole, beside it; the copy goes again where what follows fails."""
    path = state_dir / f"{STATE_FILE}.before-{secrets.token_hex(2)}-{generation}"
    try:
        try:
            path.touch(0o600)
            with closing(sqlite3.connect(path)) as target:
                file.connection.backup(target)
        except (OSError, sqlite3.Error) as exc:
            raise ConfigException(f"cannot keep a copy of the state, so nothing is changed: {exc}") from exc
        yield path
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise

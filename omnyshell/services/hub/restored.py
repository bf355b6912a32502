"""A note in a state directory that was restored from a backup, until the hub has said so in its audit."""

from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.security.files import write_private

RESTORED_FILE = "restored.json"


class Restored(msgspec.Struct, frozen=True, rename="camel"):
    """What the hub is to say of it."""

    hub: str
    version: str
    created_at: str
    restored_at: str

    def __str__(self) -> str:
        of = f" of {self.hub}" if self.hub else ""
        return f"from the backup of {self.created_at}{of}, version {self.version}; restored at {self.restored_at}"


def note_restored(directory: Path, restored: Restored) -> None:
    """Have the hub say it at its next start. Raises `ConfigException`."""
    write_private(directory / RESTORED_FILE, msgspec.json.encode(restored))


def read_restored(directory: Path) -> str:
    """Say that the hub's state was restored; empty where it was not, or that was told.

    Raises `ConfigException` where that cannot be read.
    """
    try:
        data = (directory / RESTORED_FILE).read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise ConfigException(f"cannot read {directory / RESTORED_FILE}: {exc.strerror}") from exc
    try:
        return str(msgspec.json.decode(data, type=Restored))
    except msgspec.MsgspecError:
        return f"from a backup; {RESTORED_FILE} does not say of when"


def told_restored(directory: Path) -> None:
    """The audit says it now."""
    (directory / RESTORED_FILE).unlink(missing_ok=True)

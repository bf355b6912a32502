"""A note in a state directory that was restored from a backup, until the hub has said so in its audit."""

from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException

RESTORED_FILE = "restored.json"


class Restored(msgspec.Struct, frozen=True, rename="camel"):
    """What the hub is to say of it."""

    hub: str
    version: str
    created_at: str
    restored_at: str
    source: str
    by: str

    def __str__(self) -> str:
        made = f"from the backup of {self.created_at} by {self.hub}, version {self.version}"
        return f"{made}; restored at {self.restored_at} from {self.source} by {self.by or 'an unknown user'}"


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

"""A note in a state directory that it was restored from a backup; the hub audits it, and deletes the note."""

from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.paths import read_file

RESTORED_FILE = "restored.json"


class Restored(msgspec.Struct, frozen=True, rename="camel"):
    """The contents of the note."""

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
    """Return the text to audit about a restore; "" if there was none, or it was audited.

    Raises `ConfigException` if the note cannot be read.
    """
    try:
        data = read_file(directory / RESTORED_FILE)
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise ConfigException(f"cannot read {directory / RESTORED_FILE}: {exc.strerror}") from exc
    try:
        return str(msgspec.json.decode(data, type=Restored))
    except msgspec.MsgspecError:
        return f"from a backup; {RESTORED_FILE} does not say of when"


def told_restored(directory: Path) -> None:
    """Delete the note, once it is audited."""
    (directory / RESTORED_FILE).unlink(missing_ok=True)

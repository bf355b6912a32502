"""What sessions may take, as a node's file says it and its keeper holds it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omnyshell.errors import ConfigException
from omnyshell.keeper import limits
from omnyshell.options.option import Option
from omnyshell.options.toml_file import TomlFile
from omnyshell.paths import user_path


def _read(key: str) -> Callable[[object, TomlFile], object]:
    """Return what reads a key as the keeper will. It raises `ConfigException` that names file and line."""

    def read(value: object, file: TomlFile) -> object:
        try:
            limits.limits_of({key: value})
        except ValueError as exc:
            raise file.error((key,), str(exc)) from exc
        return value

    return read


LIMITS = tuple(
    Option(key, text, kind="tables", parse=_read(key))
    for key, text in (
        (limits.MEMORY, "memory that a session may take, all its processes together, as `2GiB`; the keeper holds it"),
        (limits.PROCESSES, "how many processes and threads a session may have"),
        (limits.CPU, "how many processors a session may take, as `1.5`"),
        (limits.KILL_LEFT_BEHIND, "`true` ends what a session leaves in the background when it ends by itself"),
    )
)


def limits_file(values: Mapping[str, Any]) -> Path | None:
    """Return the file that limits sessions, if the node's file does. Raises `ConfigException` without a keeper."""
    if not any(values[option.key] for option in LIMITS):
        return None
    if values["no_keeper"]:
        raise ConfigException("limits of sessions take a keeper, which holds them").about("no_keeper")
    return user_path(values["config"])

"""The table `[ssh]` of a node's file."""

from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.toml_tables import Table
from omnyshell.paths import user_path

SSH, _INCLUDE = "ssh", "include"


def include_from_table(value: object, file: TomlFile) -> Path | None:
    """Return the file of sshd's settings that it names. Raises `ConfigException` that names file and line."""
    if not isinstance(value, dict):
        raise file.error((SSH,), f"'{SSH}' is a table: begin it with [{SSH}]")
    with file.at((SSH,)):
        table = Table(value, (_INCLUDE,), f"[{SSH}]")
        text = table.text(_INCLUDE, _flaw)
    return user_path(text).absolute() if text else None


def _flaw(text: str) -> str:
    if not text or not text.isprintable() or set(text) & set('"\\*?['):
        return "names no file that sshd could include"
    try:
        return "" if user_path(text).exists() else "is no file that is there"
    except ConfigException as exc:
        return f"cannot be found: {exc}"

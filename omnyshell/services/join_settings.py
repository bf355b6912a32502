"""The settings of a node that joined: a file that the node's operator may have edited since.

Joining again changes only the keys that a join sets, as the file may also hold the node's restrictions.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.values import parse_pairs
from omnyshell.paths import read_file
from omnyshell.security.files import write_private
from omnyshell.services.node.keeper.whose import USERS, check_both


def with_keys(text: str, changes: Mapping[str, str | None]) -> str:
    """Return a TOML text with top-level keys set to these values; None removes a key.

    Values are TOML. Everything else is left unchanged: comments, other keys, tables. Raises `ConfigException` where
    that cannot be done; it says what to write by hand.
    """
    # Imported late: it takes 40 ms, and only a join needs it.
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import AoT, Table

    wanted = {key: value for key, value in changes.items() if value is not None}
    lines = "".join(f"{key} = {value}\n" for key, value in wanted.items())
    try:
        document = tomlkit.parse(text)
        if any(isinstance(document.get(key), Table | AoT) for key in changes):
            raise TOMLKitError("a table is no value")
        for key in changes.keys() - wanted.keys():
            document.pop(key, None)
        for key, value in wanted.items():
            if document.get(key) != tomllib.loads(f"x = {value}")["x"]:
                document[key] = tomlkit.value(value)
        changed = document.as_string()
        others = {key: value for key, value in tomllib.loads(text).items() if key not in changes}
        is_right = tomllib.loads(changed) == others | tomllib.loads(lines)
    except (TOMLKitError, tomllib.TOMLDecodeError):
        is_right = False
    if not is_right:
        raise ConfigException(f"its keys cannot be changed without changing others; write into it:\n{lines}")
    return changed


_HEADING = "# Written by `omnyshell node join`; joining again leaves what is added as it is.\n"


def write_settings(
    path: Path,
    settings: Mapping[str, object],
    labels: Mapping[str, str],
    allow_command: Sequence[str],
    users: Mapping[str, list[str]],
) -> None:
    """Write the settings of a join.

    Empty ones among `settings` are removed, labels are added, and commands are replaced. `users` is the table of that
    name, which an operator may have written by hand before: that one is not changed.

    Raises `ConfigException`, and leaves an earlier file as it is, where it cannot be changed.
    """
    before = _read(path)
    labels = _labels_of(path) | dict(labels) if before else labels
    said = {**settings, "label": [f"{name}={value}" for name, value in sorted(labels.items())]}
    if allow_command:
        said["allow-command"] = list(allow_command)
    values = {key: _value(value) if value else None for key, value in said.items()}
    text = with_keys(before or _HEADING, values)
    text += _users_added(path, text, users)
    # Whichever was there, and whichever comes: a node would not start with both.
    written = tomllib.loads(text)
    check_both(written.get(USERS), as_node=bool(written.get("run-as-node-user")))
    write_private(path, text.encode())


def _users_added(path: Path, text: str, users: Mapping[str, list[str]]) -> str:
    """Return what is to be added to a file so that it has this table. Raises `ConfigException`."""
    if not users:
        return ""
    lines = "".join(f"{toml_text(who)} = {_value(named)}\n" for who, named in users.items())
    data = tomllib.loads(text)
    if USERS in data:
        if data[USERS] == users:
            return ""
        raise ConfigException(f"{path} has [users] already; write into it:\n{lines}")
    return f"\n[users]\n{lines}"


def _read(path: Path) -> str:
    try:
        return read_file(path).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigException(f"it cannot be read: {exc}") from exc


def _labels_of(path: Path) -> dict[str, str]:
    file = TomlFile(path)
    said = file.data.get("label", [])
    texts = [said] if isinstance(said, str) else said
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise file.error(("label",), "'label' must be a list of texts")
    return parse_pairs(texts)


def _value(value: object) -> str:
    if value is True:
        return "true"
    return f"[{', '.join(map(toml_text, value))}]" if isinstance(value, list) else toml_text(str(value))


def toml_text(text: str) -> str:
    """Return a text as a TOML string, with unprintable characters escaped. Raises `ConfigException`."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ConfigException(f"{text!r} is no text that a configuration file can hold") from exc
    # A JSON string is a TOML string, except for characters that JSON need not escape and TOML must.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08X}" for char in quoted)

"""The settings of a node that joined: a file of its own, which whoever runs the node may have changed since.

Joining again changes what it knows and nothing else. What restricts a node stands in the same file.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.values import parse_pairs
from omnyshell.security.files import write_private


def with_keys(text: str, changes: Mapping[str, str | None]) -> str:
    """Return a TOML text in which keys in front of the first table have these values; None takes a key out.

    Values are TOML. Everything else stays, letter by letter: comments, other keys, tables. Raises `ConfigException`
    where that cannot be done, which says what to write.
    """
    # Imported late: it takes 40 ms, and only who joins a hub changes a file.
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
    path: Path, settings: Mapping[str, object], labels: Mapping[str, str], allow_command: Sequence[str]
) -> None:
    """Write what a join says. What is empty of `settings` is taken out; labels are added; commands replace others.

    Raises `ConfigException` where an earlier file cannot be changed so; it is left as it is.
    """
    before = _read(path)
    labels = _labels_of(path) | dict(labels) if before else labels
    said = {**settings, "label": [f"{name}={value}" for name, value in sorted(labels.items())]}
    if allow_command:
        said["allow-command"] = list(allow_command)
    values = {key: _value(value) if value else None for key, value in said.items()}
    write_private(path, with_keys(before or _HEADING, values).encode())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
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
    """Return a text as TOML writes it, in ASCII where it is not printable. Raises `ConfigException`."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ConfigException(f"{text!r} is no text that a configuration file can hold") from exc
    # A JSON text is a TOML text, but for the characters that JSON leaves as they are and TOML does not take.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08X}" for char in quoted)

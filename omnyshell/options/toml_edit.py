"""Changes keys of a TOML file that somebody may have written by hand, and leaves all else of it as it is."""

import tomllib
from collections.abc import Mapping

from omnyshell.errors import ConfigException


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

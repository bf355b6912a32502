"""Changes keys of a TOML file that somebody may have written by hand, and leaves all else of it as it is."""

import tomllib
from collections.abc import Iterator, Mapping

from omnyshell.errors import ConfigException


def with_keys(text: str, changes: Mapping[str, str | None]) -> str:
    """Return a TOML text in which keys in front of the first table have these values; None takes a key out.

    Values are TOML. Everything else stays, letter by letter: comments, other keys, tables. Raises `ConfigException`
    where that cannot be done, which says what to write.
    """
    missing = {key: f"{key} = {value}" for key, value in changes.items() if value is not None}
    wanted = "\n".join(missing.values()) + "\n"
    kept = []
    head, tables = _parts(text)
    for statement in _statements(head):
        key = next(iter(_parsed(statement) or ()), None)
        if key not in changes:
            kept.append(statement)
        elif key in missing:
            kept.append(_replaced(statement, missing.pop(key)))
    end = "" if not kept or kept[-1].endswith("\n") else "\n"
    changed = "".join((*kept, end, *(f"{line}\n" for line in missing.values()), tables))
    others = {key: value for key, value in (_parsed(text) or {}).items() if key not in changes}
    if _parsed(changed) != others | (_parsed(wanted) or {}):
        raise ConfigException(f"its keys cannot be changed without changing others; write into it:\n{wanted}")
    return changed


def _replaced(statement: str, line: str) -> str:
    """The line in the place of a statement, with the comment that this ends with."""
    said = _parsed(statement)
    if said == _parsed(line):
        return statement
    before, *behind = statement.split("#")
    while behind and _parsed(before) != said:
        before += "#" + behind.pop(0)
    return f"{line}  #{'#'.join(behind)}" if behind else f"{line}\n"


def _parts(text: str) -> tuple[str, str]:
    """What is in front of the first table, and the rest."""
    size = 0
    for statement in _statements(text):
        if statement.lstrip().startswith("["):
            break
        size += len(statement)
    return text[:size], text[size:]


def _statements(text: str) -> Iterator[str]:
    """Yield a text's lines, those of a value that goes on over several in one piece."""
    statement = ""
    # Only a line feed ends a line of TOML, which `splitlines` does not keep to.
    *lines, last = text.split("\n")
    for line in filter(None, (*(f"{line}\n" for line in lines), last)):
        statement += line
        if _parsed(statement) is not None:
            yield statement
            statement = ""


def _parsed(text: str) -> dict[str, object] | None:
    """What a text says; None where it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None

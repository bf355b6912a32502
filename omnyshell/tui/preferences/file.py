"""Changing `console.toml` so that what its user wrote there stays: comments, order, and what is not ours."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from omnyshell.errors import ConfigException
from omnyshell.paths import read_file
from omnyshell.security.files import changing, write_private

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_HEADER: Final = re.compile(r"^\s*\[", re.MULTILINE)
_ABOVE: Final = re.compile(r"(?:^[ \t]*(?:#[^\n]*)?\n)*\Z", re.MULTILINE)
"""Comments and empty lines at the end of a text."""


@dataclass(slots=True)
class Edit:
    """A file that is being changed: its tables in `document`, and keys that are in no table by `put`."""

    document: "TOMLDocument"
    _new: dict[str, object] = field(default_factory=dict)

    def put(self, key: str, value: object) -> None:
        """Set a key that is in no table."""
        if key in self.document:
            self.document[key] = value
        else:
            self._new[key] = value

    @property
    def text(self) -> str:
        """The file as it is to be."""
        import tomlkit

        text = tomlkit.dumps(self.document)
        lines = "".join(f"{key} = {tomlkit.item(value).as_string()}\n" for key, value in self._new.items())
        return _before_tables(text, lines) if lines else text


@contextmanager
def edited(path: Path) -> Iterator[Edit]:
    """The file, which is written once it was changed; it is empty where there is none.

    Where the path is a link, what it leads to is written. Raises `ConfigException`, and then writes nothing.
    """
    # Imported late: only saving needs it.
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    target = path.resolve()
    with changing(target):
        text = _text(target)
        try:
            edit = Edit(tomlkit.parse(text))
        except TOMLKitError as exc:
            raise ConfigException(f"{path} is not TOML: {exc}; nothing was saved") from exc
        yield edit
        if edit.text != text:
            write_private(target, edit.text.encode())


def _text(path: Path) -> str:
    try:
        return read_file(path).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigException(f"cannot read {path}: {exc}; nothing was saved") from exc


def _before_tables(text: str, lines: str) -> str:
    """Insert lines above the first table and the comments over it, where tomlkit (0.15) would part them."""
    end = next((at.start() for at in _HEADER.finditer(text) if _is_whole(text[: at.start()])), None)
    if end is None:
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{lines}"
    above = _ABOVE.search(text, 0, end)
    at = above.start() if above is not None else end
    return f"{text[:at]}{lines}{text[at:]}" if at else f"{lines}\n{text}"


def _is_whole(text: str) -> bool:
    """Whether a text is TOML by itself: what looks like a table in a text or list of several lines begins none."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True

"""The console's settings, and `console.toml` that they are kept in."""

import re
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from omnyshell.errors import ConfigException
from omnyshell.paths import config_dir
from omnyshell.security.files import write_private
from omnyshell.tui.keys import USUAL_LEADER

THEME_NAMES = ("dark", "light", "contrast")

SAME_AS = {"ctrl+i": "Tab", "ctrl+m": "Enter", "ctrl+h": "Backspace"}
"""Keys that terminals send the same byte for as for another key."""


@dataclass(slots=True)
class ConsoleSettings:
    """What a user decides about the console. Raises `ConfigException` for a value that cannot be."""

    theme: str = "dark"
    leader: str = USUAL_LEADER
    """The key that comes before a command while a terminal has the keyboard."""

    scrollback: int = 10_000
    """Lines that a terminal keeps above its screen."""

    paste_asks_for: str = "env=prod"
    """Pasting several lines into a node with this label asks first; empty for never."""

    copy_limit: int = 100_000
    """Bytes that a remote program may put on the clipboard at once; 0 for none."""

    def __post_init__(self) -> None:
        if self.theme not in THEME_NAMES:
            raise ConfigException(f"theme: one of {', '.join(THEME_NAMES)}")
        if not re.fullmatch(r"ctrl\+[a-z\]\\^_@]", self.leader):
            raise ConfigException("leader: a key with ctrl, as ctrl+] or ctrl+a")
        if self.leader in SAME_AS:
            text = f"leader: terminals send {self.leader} for {SAME_AS[self.leader]}, so that it cannot be told from it"
            raise ConfigException(f"{text}; choose another, as ctrl+] or ctrl+a")
        if not 0 <= self.scrollback <= 1_000_000:
            raise ConfigException("scrollback: 0 to 1000000 lines")
        if self.paste_asks_for and "=" not in self.paste_asks_for:
            raise ConfigException("paste_asks_for: a label, as env=prod")
        if not 0 <= self.copy_limit <= 1_000_000:
            raise ConfigException("copy_limit: 0 to 1000000 bytes")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file; what it does not say is as by default. Raises `ConfigException` with file, line and key."""
        try:
            text = path.read_text(encoding="utf-8")
            data = tomllib.loads(text)
        except FileNotFoundError:
            return cls()
        except OSError as exc:
            raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise ConfigException(f"{path} is not TOML: {exc}") from exc
        return cls(**_checked(path, text, data, {field.name: type(field.default) for field in fields(cls)}))

    def save(self, path: Path) -> None:
        """Write the file. Raises `OSError`."""
        lines = [f"{name} = {_toml(value)}" for name, value in asdict(self).items()]
        write_private(path, ("\n".join(lines) + "\n").encode())


def settings_file() -> Path:
    """The file of the console's settings."""
    return config_dir() / "console.toml"


def _checked(path: Path, text: str, data: dict[str, Any], known: dict[str, type]) -> dict[str, Any]:
    for key, value in data.items():
        where = f"{path}, line {_line_of(text, key)}"
        if key not in known:
            raise ConfigException(f"{where}: there is no setting '{key}'; known are {', '.join(known)}")
        if type(value) is not known[key]:
            words = "a whole number" if known[key] is int else "text"
            raise ConfigException(f"{where}: '{key}' must be {words}")
        try:
            alone: dict[str, Any] = {key: value}
            ConsoleSettings(**alone)
        except ConfigException as exc:
            raise ConfigException(f"{where}: {exc}") from exc
    return data


def _line_of(text: str, key: str) -> int:
    pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _toml(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)

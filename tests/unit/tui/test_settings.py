"""`console.toml`."""

from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.tui.settings import ConsoleSettings


def load(tmp_path: Path, text: str) -> ConsoleSettings:
    file = tmp_path / "console.toml"
    file.write_text(text)
    return ConsoleSettings.load(file)


def test_without_a_file_everything_is_as_by_default(tmp_path: Path) -> None:
    assert ConsoleSettings.load(tmp_path / "none.toml") == ConsoleSettings()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    settings = ConsoleSettings(theme="light", leader="ctrl+\\", scrollback=5, paste_asks_for="", copy_limit=0)
    settings.save(tmp_path / "console.toml")
    assert ConsoleSettings.load(tmp_path / "console.toml") == settings
    assert (tmp_path / "console.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('theme = "dark"\ncolour = 1', "line 2: there is no option 'colour'; known are copy_limit, leader"),
        ('theme = "pink"', "line 1: 'theme' must be one of dark, light, contrast"),
        ('\n\nscrollback = "many"', "line 3: 'scrollback' must be a whole number"),
        ("scrollback = true", "must be a whole number"),
        ("scrollback = -1", "0 to 1000000 lines"),
        ('leader = "x"', "a key with ctrl"),
        ('leader = "ctrl+i"', "line 1: 'leader': terminals send ctrl+i for Tab"),
        ('leader = "ctrl+m"', "for Enter"),
        ('leader = "ctrl+h"', "for Backspace"),
        ('paste_asks_for = "prod"', "a label, as env=prod"),
        ("[theme]\nx = 1", "line 1: 'theme' must be text"),
        ("theme", "is not TOML"),
    ],
)
def test_mistakes_are_named_with_file_line_and_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigException) as caught:
        load(tmp_path, text)
    assert "console.toml" in str(caught.value)
    assert words in str(caught.value)

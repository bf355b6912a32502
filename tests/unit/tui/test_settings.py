"""`console.toml`."""

from pathlib import Path

import pytest
from support.in_one_test import in_one_test

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


WRITTEN = """# mine
leader = "ctrl+a"  # as in screen
copy_limit = 5

# for the day
[filters]
prod = "env=prod"   # all of it

[[commands]]
name = "ping"
panel = "nodes"
argv = [
    "ping",  # not fping
    "{host}",
]
"""


def test_saving_keeps_what_a_user_wrote(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    file.write_text(WRITTEN)
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    settings = ConsoleSettings.load(link)
    settings.leader, settings.theme = "ctrl+b", "light"
    settings.save(link)
    after = file.read_text()
    assert link.is_symlink()
    assert after.replace('theme = "light"\n', "") == WRITTEN.replace("ctrl+a", "ctrl+b")
    assert ConsoleSettings.load(link).theme == "light"


@in_one_test(
    ("before", "rest"),
    [
        ("", ""),
        ("# mine\n", ""),
        ("", "[filters]\na = 'x'\n"),
        ("", "# of a\n[filters]\na = 'x'\n"),
        ("copy_limit = 1 # little\n", "\n  # of a\n\n[filters]\na = 'x'\n"),
        ("theme = 'contrast'", ""),
        ('paste_asks_for = """\na=b\n[x]\n"""\n', "[columns]\n"),
    ],
)
def test_what_is_new_stands_before_the_tables_and_what_is_above_them(tmp_path: Path, before: str, rest: str) -> None:
    file = tmp_path / "console.toml"
    file.write_text(before + rest)
    settings = ConsoleSettings.load(file)
    settings.scrollback, settings.leader = 7, "ctrl+a"
    settings.save(file)
    assert ConsoleSettings.load(file) == settings
    between = file.read_text().removeprefix(before).removesuffix(rest)
    assert sorted(between.split("\n")) == sorted(
        ["", 'leader = "ctrl+a"', "scrollback = 7"] + [""] * (between.count("\n") - 2)
    )


def test_a_file_that_is_no_toml_any_more_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    file.write_text("[filters\n")
    with pytest.raises(ConfigException, match="nothing was saved"):
        ConsoleSettings(theme="light").save(file)
    assert file.read_text() == "[filters\n"


@in_one_test(
    ("text", "words"),
    [
        (
            'theme = "dark"\nunheard = 1',
            "line 2: there is no option 'unheard'; known are colors, columns, commands",
        ),
        ('colors = "8"', "line 1: 'colors' must be one of auto, true, 256, 16, none"),
        (
            'theme = "../moss"',
            "line 1: 'theme' '../moss': one of dark, light, contrast, ember, fjord, or the name of a file",
        ),
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

"""Themes of one's own, from files."""

from pathlib import Path

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.files import read_theme
from omnyshell.tui.colours.folder import check_theme, is_theme_name, own_themes, theme_file
from omnyshell.tui.colours.shipped import DARK, LIGHT, Family

MOSS = """
like = "light"
title = "Moss"

[true]
primary = "#336633"
background = "#ffffff"
bar-error = "#990000"

[256]
primary = 22

[16]
primary = "bright-green"
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path))
    folder = theme_file("any").parent
    folder.mkdir(parents=True)
    return folder


def read(folder: Path, text: str) -> Family:
    file = folder / "moss.toml"
    file.write_text(text)
    return read_theme(file)


def test_a_theme_says_what_differs_from_the_one_that_it_is_like(folder: Path) -> None:
    family = read(folder, MOSS)
    assert (family.title, family.is_dark) == ("Moss", False)
    assert (family.true.primary, family.indexed.primary, family.named.primary) == ("#336633", 22, "bright_green")
    assert (family.true.error, family.indexed.error, family.named.error) == (
        LIGHT.true.error,
        LIGHT.indexed.error,
        LIGHT.named.error,
    )
    assert family.true.bar_error == "#990000"
    assert family.true.cursor == "#336633 28%"
    assert family.theme("moss", Depth.TRUE).name == "omnyshell-moss"


def test_without_colours_of_256_they_are_the_nearest(folder: Path) -> None:
    family = read(folder, '[true]\nprimary = "#87afff"')
    assert family.indexed.primary == 111
    assert family.named == DARK.named
    assert family.title == "moss"


def test_themes_are_found_by_their_names(folder: Path) -> None:
    for name in ("moss", "dark", "No Name", "z-9"):
        (folder / f"{name}.toml").write_text("")
    assert own_themes() == ["moss", "z-9"]
    for name in ("moss", "ember"):
        check_theme(name)
    with pytest.raises(ConfigException, match=r"there is no theme 'mos', nor a file .*/mos.toml; did you mean 'moss'"):
        check_theme("mos")
    assert not is_theme_name("../moss")


@in_one_test(
    ("text", "words"),
    [
        ("like = 'pink'", "line 1: 'like': 'pink' does not ship; one of dark, light"),
        ("\nlik = 'dark'", "line 2: there is no key 'lik' in a theme; did you mean 'like'?"),
        ('title = "a\\u001bb"', "line 1: 'title': 'a"),
        ("title", "is not TOML"),
        ("[true]\nprimery = '#000000'", "line 2: there is no colour 'primery' in a theme; did you mean 'primary'?"),
        ("[true]\nprimary = 'red'", "line 2: 'primary' must be a colour, as \"#7aa2f7\""),
        ("[true]\n\nprimary = 5", "line 3: 'primary' must be a colour"),
        ("[256]\nprimary = 7", "line 2: 'primary' must be a number from 16 to 255"),
        ("[256]\nprimary = true", "line 2: 'primary' must be a number"),
        ("[16]\nprimary = 'bright_red'", "line 2: 'primary' must be one of black, red"),
        ("true = 1", "line 1: 'true' is a table: begin it with [true]"),
        ("[8]\nx = 1", "line 1: there is no key '8' in a theme"),
    ],
)
def test_mistakes_are_named_with_file_line_and_key(folder: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigException) as caught:
        read(folder, text)
    assert "moss.toml" in str(caught.value)
    assert words in str(caught.value)

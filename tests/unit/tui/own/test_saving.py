"""Saving filters and columns of one's own."""

from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.tui.own.reading import read_own
from omnyshell.tui.own.saving import forget_filter, save_columns, save_filter
from omnyshell.tui.preferences.own import Own

WRITTEN = '# mine\ntheme = "light"\n\n[filters]  # by name\nprod = "env=prod"   # all of it\n# the end\n'


def test_a_filter_is_added_changed_and_dropped_beside_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    file.write_text(WRITTEN)
    own = read_own(file)
    save_filter(file, own, "new", 'node:"a b"')
    save_filter(file, own, "prod", "env=production")
    assert read_own(file) == own
    assert own.filters == {"prod": "env=production", "new": 'node:"a b"'}
    forget_filter(file, own, "new")
    assert read_own(file) == own
    assert file.read_text() == WRITTEN.replace("env=prod", "env=production")


def test_columns_are_saved_and_all_of_them_need_no_line(tmp_path: Path) -> None:
    file, own = tmp_path / "console.toml", Own()
    save_columns(file, own, "nodes", ["node", "state"])
    save_columns(file, own, "audit", ["age"])
    assert read_own(file).columns == {"nodes": ("node", "state"), "audit": ("age",)}
    save_columns(file, own, "nodes", [])
    save_columns(file, own, "audit", [])
    assert file.read_text() == ""


@pytest.mark.parametrize(("name", "text"), [("a b", "x"), ("", "x"), ("ok", "colour:red"), ("ok", "@ok"), ("ok", " ")])
def test_what_is_no_filter_is_not_saved(tmp_path: Path, name: str, text: str) -> None:
    file, own = tmp_path / "console.toml", Own()
    with pytest.raises(ConfigException):
        save_filter(file, own, name, text)
    assert (own, file.exists()) == (Own(), False)


def test_a_file_in_which_it_is_no_table_any_more_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    file.write_text("filters = 1\n")
    with pytest.raises(ConfigException, match="no table any more"):
        save_filter(file, Own(), "ok", "x")
    assert file.read_text() == "filters = 1\n"

"""Keys of one's own, from a file."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.tui.key_map import FIXED, read_keys, textual_name
from omnyshell.tui.keys import KEYS, Context, Key


def read(tmp_path: Path, text: str) -> tuple[Key, ...]:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    return read_keys(file)


def found(keys: tuple[Key, ...], context: Context, name: str) -> list[Key]:
    return [key for key in keys if (key.context, key.name) == (context, name)]


def test_without_a_file_the_table_is_as_it_is(tmp_path: Path) -> None:
    assert read_keys(tmp_path / "none.toml") == KEYS


def test_keys_are_replaced_where_they_are_named(tmp_path: Path) -> None:
    keys = read(tmp_path, '[nodes]\nopen = "O"\nfan-out = ["X", "ctrl+x"]\nrevoke = []\n[terminal]\ndetach = "shift+d"')
    [page], [run] = found(keys, Context.NODES, "open"), found(keys, Context.NODES, "fan-out")
    assert (page.keys, page.label, page.action) == ("O", "O", "open")
    assert (run.keys, run.label) == ("X,ctrl+x", "X ctrl+x")
    assert found(keys, Context.NODES, "revoke") == []
    assert found(keys, Context.TERMINAL, "detach")[0].keys == "D"
    assert len(keys) == len(KEYS) - 1


def test_a_key_may_change_places(tmp_path: Path) -> None:
    keys = read(tmp_path, '[sessions]\nwatch = "x"\nkill = "w"')
    assert [key.keys for name in ("watch", "kill") for key in found(keys, Context.SESSIONS, name)] == ["x", "w"]


def test_each_key_has_a_name_of_its_own_and_can_be_mapped(tmp_path: Path) -> None:
    names = [(key.context, key.name) for key in KEYS]
    assert len(set(names)) == len(names)
    for key in KEYS:
        if key.context not in FIXED:
            [same] = found(read(tmp_path, f'[{key.context.slug}]\n{key.name} = "f12"'), key.context, key.name)
            assert same.keys == "f12"


@in_one_test(
    ("key", "name"),
    [
        ("x", "x"),
        ("X", "X"),
        ("shift+x", "X"),
        ("/", "slash"),
        ("%", "percent_sign"),
        ("+", "plus"),
        ("ctrl++", "ctrl+plus"),
        ("ctrl+]", "ctrl+right_square_bracket"),
        ("esc", "escape"),
        ("alt+pgup", "alt+pageup"),
        ("shift+tab", "shift+tab"),
        ("f12", "f12"),
    ],
)
def test_keys_are_written_as_people_write_them(key: str, name: str) -> None:
    assert textual_name(key) == name


@in_one_test(
    ("text", "words"),
    [
        ('[nod]\nopen = "o"', "line 1: there are no keys for 'nod'; did you mean 'node'?"),
        ('[copy]\nmove = "x"', "line 1: there are no keys for 'copy'"),
        ('nodes = "x"', "line 1: 'nodes' is a table: begin it with [nodes]"),
        ('[nodes]\n\nopn = "o"', "line 3: [nodes] has nothing named 'opn'; did you mean 'open'?"),
        ("[nodes]\nopen = 5", "line 2: 'open' must be a key or a list of keys"),
        ('[nodes]\nopen = "return"', "line 2: 'return' is no key: a character, or enter"),
        ('[nodes]\nopen = "hyper+x"', "line 2: 'hyper+x' is no key"),
        ('[nodes]\nopen = "ctrl+"', "line 2: 'ctrl+' is no key"),
        ('[nodes]\nopen = ""', "line 2: '' is no key"),
        ('[nodes]\nopen = "ctrl+m"', "line 2: 'ctrl+m' is no key: terminals send it for Enter"),
        ('[nodes]\nopen = "x"', "line 2: 'x' is for 'fan-out' in [nodes] already; give that another key too, or []"),
        ('[table]\nfilter = "d"', "line 2: 'd' is for 'toggle-details' in [overview] already"),
        ('[wall]\nattach = "f2"', "line 2: 'f2' is for 'show-overview' in [everywhere] already"),
        ('[panes]\nzoom = "d"', "line 2: 'd' is for 'detach' in [terminal] already"),
        ("[nodes", "is not TOML"),
    ],
)
def test_mistakes_are_named_with_file_line_and_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigException) as caught:
        read(tmp_path, text)
    assert "keys.toml" in str(caught.value)
    assert words in str(caught.value)


def test_what_binds_keys_binds_those_of_the_file(tmp_path: Path) -> None:
    """In a process of its own, as modules bind keys when they are loaded."""
    (tmp_path / "keys.toml").write_text('[nodes]\nopen = "O"\n[panes]\nall-keys = "g"')
    program = f"""
from pathlib import Path
from omnyshell.tui import keys
from omnyshell.tui.key_map import read_keys
keys.use(read_keys(Path({str(tmp_path / "keys.toml")!r})))
from omnyshell.tui.panels.nodes import NodesPanel
from omnyshell.tui.terminal.commands import command_of
print([b.key for b in NodesPanel.BINDINGS if b.action == "open"], command_of("g").action, command_of("a"))
print(keys.label_of(keys.Context.NODES, "open"), "`O` | `open`" in keys.as_markdown())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["['O'] all_keys None", "O True"]

"""Filters, columns and commands of one's own in `console.toml`."""

from pathlib import Path

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.tui.own.reading import read_own
from omnyshell.tui.preferences.own import Own
from omnyshell.tui.settings import ConsoleSettings

COMMAND = """
[[commands]]
name = "ping"
panel = "nodes"
argv = ["ping", "-c", "3", "--", "{host}"]
"""
ARGV = '["ping", "-c", "3", "--", "{host}"]'


def load(tmp_path: Path, text: str) -> Own:
    file = tmp_path / "console.toml"
    file.write_text(text)
    assert ConsoleSettings.load(file).theme == "dark"
    return read_own(file)


def test_without_a_file_there_is_nothing_of_ones_own(tmp_path: Path) -> None:
    assert read_own(tmp_path / "none.toml") == Own()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    own = load(
        tmp_path,
        '[filters]\nprod = "env=prod"\nrecent = "since:1h outcome:denied"\n'
        '[columns]\nnodes = ["NODE", "state", "sess"]\n' + COMMAND + 'key = "P"\nconfirm = true\n'
        'environment = { WHERE = "{label.dc}", WHO = "{me}" }\n',
    )
    assert own.filters == {"prod": "env=prod", "recent": "since:1h outcome:denied"}
    assert own.columns == {"nodes": ("node", "state", "sessions")}
    (command,) = own.commands
    assert (command.name, command.key, command.confirm, command.in_terminal) == ("ping", "P", True, False)
    assert command.fields == ["host", "label.dc", "me"]


@in_one_test(
    ("text", "words"),
    [
        ("filters = 1", "line 1: 'filters' is a table"),
        ("a = " + "[" * 20_000, "is not TOML"),
        ('[filters]\n\nprod = "envv:prod"', "line 3: 'prod' is no filter of any panel: no field \"envv\""),
        ("[filters]\nprod = 1", "line 2: 'prod' must be a filter"),
        ('[filters]\n"a b" = "x"', "line 2: 'a b' is no name of a filter"),
        ('[filters]\na = "@b"\nb = "x"', "line 2: 'a' is no filter of any panel"),
        ('[columns]\nnode = ["node"]', "line 2: there is no panel 'node'; did you mean 'nodes'?"),
        ('[columns]\nnodes = ["node", "stat"]', "line 2: there is no column 'stat' in 'nodes'; did you mean 'state'?"),
        ('[columns]\nnodes = ["node", "NODE"]', "line 2: 'nodes' has the column 'node' twice"),
        ("[columns]\nnodes = []", "line 2: 'nodes' must be a list of columns"),
        ("[commands]\nname = 1", "line 1: 'commands' are tables: begin each with [[commands]]"),
        ('[[commands]]\npanel = "nodes"\nargv = ["x"]', "line 1: a command has a 'name'"),
        ('[[commands]]\nname = "x"\npanel = "nodes"', "line 1: a command has a 'argv'"),
        (COMMAND + "shell = true", "line 6: there is no key 'shell' in a command"),
        (COMMAND.replace('"nodes"', '"node"'), "line 4: 'panel': 'node' is no panel; did you mean 'nodes'?"),
        (COMMAND.replace("{host}", "{hots}"), "line 5: 'argv': rows of 'nodes' have no 'hots'; did you mean 'host'?"),
        (COMMAND.replace("{host}", "{since}"), "line 5: 'argv': rows of 'nodes' have no 'since'"),
        (COMMAND.replace("{host}", "{host"), "line 5: 'argv': '{host' has a brace"),
        (COMMAND.replace('["ping"', '["{host}"'), "line 5: 'argv': which program runs cannot come from a row"),
        (COMMAND.replace(ARGV, '["sh", "-c", "ping {host}"]'), "line 5: 'argv': {host} would"),
        (COMMAND.replace(ARGV, "[]"), "line 5: 'argv' is empty"),
        (COMMAND + 'key = "x"', "line 6: 'key': 'x' is taken: Run a command on all selected nodes"),
        (COMMAND + 'key = "super"', "line 6: 'key': 'super' is no key"),
        (COMMAND + 'confirm = "yes"', "line 6: 'confirm' must be true or false"),
        (COMMAND + 'environment = { "A-B" = "x" }', "line 6: 'A-B' is no name of a variable"),
        (COMMAND + COMMAND, "line 8: 'nodes' has a command with the name 'ping' already"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigException) as caught:
        load(tmp_path, text)
    assert "console.toml" in str(caught.value)
    assert words in str(caught.value)

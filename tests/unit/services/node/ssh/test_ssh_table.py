"""The table `[ssh]` of a node's file."""

from pathlib import Path

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import read_options
from omnyshell.services.node.options import OPTIONS


def read(tmp_path: Path, text: str) -> object:
    file = tmp_path / "node.toml"
    file.write_text(text)
    return read_options(file, OPTIONS).values.get("ssh")


def test_it_names_a_file_of_sshds(tmp_path: Path) -> None:
    included = tmp_path / "sshd config"
    included.touch()
    assert read(tmp_path, f"[ssh]\ninclude = '{included}'\n") == included
    assert read(tmp_path, "[ssh]\n") is None


@in_one_test(
    ("text", "said"),
    [
        ("[ssh]\ninclude = '/nowhere/at/all'\n", "line 2: 'include': '/nowhere/at/all' is no file that is there"),
        ("[ssh]\ninclude = ''\n", "names no file"),
        ("[ssh]\ninclude = '/tmp/\"quoted'\n", "names no file that sshd could include"),
        ('[ssh]\ninclude = "/tmp/a\\nb"\n', "names no file that sshd could include"),
        ("[ssh]\ninclude = '/etc/*'\n", "names no file that sshd could include"),
        ("[ssh]\ninclude = 1\n", "line 2"),
        ("[ssh]\nincludes = '/tmp'\n", "there is no key 'includes' in [ssh]"),
        ("ssh = '/etc/ssh/sshd_config'\n", "'ssh' is a table: begin it with [ssh]"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigException) as wrong:
        read(tmp_path, text)
    assert said in str(wrong.value)

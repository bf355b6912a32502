"""What a node's settings say of files."""

from pathlib import Path

import pytest

from omnyshell import ConfigException
from omnyshell.cli.grammar.commands import NODE_START
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.node.start import config_from
from omnyshell.services.node.files.policy import FilesPolicy

NODE = 'hub = "wss://h:1"\nid = "n"\nprincipal = "p"\ntoken = "t"\n'


def said(tmp_path: Path, text: str, *words: str) -> FilesPolicy:
    path = tmp_path / "node.toml"
    path.write_text(NODE + text)
    path.chmod(0o600)
    return config_from(parse(NODE_START, ["--config", str(path), *words])).files


def test_files_may_be_anywhere_and_go_both_ways_unless_told(tmp_path: Path) -> None:
    assert said(tmp_path, "") == FilesPolicy(roots=(), read_only=False, is_offered=True)
    narrow = said(tmp_path, 'files-root = ["/srv", "~", "~/in"]\nfiles-read-only = true\nfiles-off = true\n')
    assert narrow == FilesPolicy(roots=("/srv", "~", "~/in"), read_only=True, is_offered=False)
    assert said(tmp_path, 'files-root = ["/srv"]\n', "--files-root", "/var").roots == ("/var",)


@pytest.mark.parametrize("root", ["", "srv", "./srv", "~ann", "~ann/in", "/a\\u0000b"])
def test_a_root_is_absolute_or_in_a_home(tmp_path: Path, root: str) -> None:
    with pytest.raises(ConfigException, match=r"files-root.*: write a directory as an absolute path"):
        said(tmp_path, f'files-root = ["/srv", "{root}"]\n')

"""Who becomes whom, as the command line lists it."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from omnyshell.cli.node.users import list_users
from omnyshell.errors import ConfigException
from omnyshell.services.node.as_root import AS_BEFORE, REFUSED


def listed(path: Path, text: str, *, as_json: bool = False) -> int:
    path.write_text(text)
    return list_users(Namespace(config=str(path), strict_modes="false", json=as_json))


def test_each_line_of_the_table_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.toml"
    assert listed(path, "[users]\nann = 'root'\n'*' = '{principal}'\n") == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["WHO", "BECOMES"],
        ["ann", "root"],
        ["*", "{principal}"],
    ]
    assert listed(path, "[users]\nann = ['root', 'no-such-user']\n'*' = 'root'\n", as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"who": "ann", "user": "root", "flaw": ""},
        {"who": "ann", "user": "no-such-user", "flaw": "there is no such user"},
        {"who": "*", "user": "root", "flaw": "not for everybody: name it for a principal or a role"},
    ]


def test_a_file_with_which_no_node_starts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigException, match="say one"):
        listed(tmp_path / "node.toml", "run-as-node-user = true\n[users]\nann = 'root'\n")


def test_a_file_without_users_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "node.toml"
    assert listed(path, "run-as-node-user = true\n") == 0
    assert "user that the node runs as" in capsys.readouterr().out
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert listed(path, "id = 'n1'\n") == 0
    assert "user that the node runs as" in capsys.readouterr().out
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert listed(path, "id = 'n1'\n") == 1
    assert REFUSED in capsys.readouterr().err
    (tmp_path / "uid-node-n1.json").touch()
    assert listed(path, f"id = 'n1'\nstate-dir = '{tmp_path}'\n") == 0
    assert AS_BEFORE in capsys.readouterr().err
    with pytest.raises(ConfigException, match="'id'"):
        listed(path, "name = 'n1'\n")
    with pytest.raises(ConfigException, match="line 1"):
        listed(path, "[users]\nann = 1\n")
    with pytest.raises(ConfigException, match="--config"):
        list_users(Namespace(config=None, strict_modes=None, json=False))

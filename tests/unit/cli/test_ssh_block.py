"""What `ssh-config` makes of nodes' answers, which are anybody's words."""

from pathlib import Path

import pytest
from support.in_one_test import in_one_test

from omnyshell.cli.ssh import config
from omnyshell.cli.ssh.hosts import node_of
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.services.client.ssh.known_hosts import KnownHost


@in_one_test("name", ["ann", "ann.b-c_d", "ann@corp.example.org", "é", "_svc", "a+b"])
def test_names_of_users_are_taken(name: str) -> None:
    assert config._told_apart({"n1": name}) == ({"n1": name}, {})


@in_one_test(
    "name",
    [
        *(
            "-oProxyCommand=id",
            "$(id)",
            "`id`",
            "a;id",
            "a|id",
            "a&id",
            "a>b",
            "'",
            '"',
            "\\",
            "#a",
            "a%r",
            "${HOME}",
            "*",
            "!a",
        ),
        *("a\nProxyCommand id", "\x1b[31m", "a\u2028b", "a b", ""),
    ],
)
def test_names_that_mean_something_to_ssh_or_a_shell_are_not(name: str) -> None:
    users, others = config._told_apart({"n1": name})
    assert users == {}
    assert others["n1"].isprintable()


def test_why_a_node_has_no_user_is_one_line(tmp_path: Path) -> None:
    _, others = config._told_apart({"n1": OmnyShellException("no\nHost *\n  ProxyCommand id")})
    assert others["n1"].isprintable()


def test_a_domain_is_known_however_it_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("n1", "n1.vm.omny", "n1.VM.Omny", "n1.Vm.oMNY"):
        assert node_of(host, "VM.Omny") == "n1"
    noted = [KnownHost(tmp_path, f"n1{ending}") for ending in ("", ".vm.omny", ".vM.oMNY")]
    others = [KnownHost(tmp_path, host) for host in ("N1.vm.omny", "n1.vm.omny.b", "n2.vm.omny", "n1.omny")]
    for host in noted + others:
        host.path.write_bytes(b"")
    config._accept(tmp_path, "n1", "VM.Omny")
    assert "n1.vM.oMNY: the key that it shows next" in capsys.readouterr().out
    assert [host.path.exists() for host in noted + others] == [False] * len(noted) + [True] * len(others)
    config._accept(tmp_path / "none", "n1", "omny")


@in_one_test("name", ['a"b', "a'b", "a\\b", "a\nb", "${HOME}"])
def test_files_whose_names_ssh_reads_otherwise_are_refused(name: str) -> None:
    with pytest.raises(ConfigException, match="ssh cannot read a file of this name"):
        config._path(Path("/tmp", name))
    assert config._path(Path("/tmp/a b%")) == "/tmp/a\\ b%%"

"""Configuration files: every option, and mistakes named by file, line and key."""

import contextlib
import json
import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnyshell import ConfigException, OmnyShellException
from omnyshell.cli.config_file import read_options
from omnyshell.cli.log_format import formatter
from omnyshell.cli.parsing import parse
from omnyshell.cli.spec import HUB_START, NODE_START

GOOD = """
# a hub
host = "::1"
port = 9443
cert = "c.pem"
key = "k.pem"
grant-token = ["a:b:c"]
heartbeat-timeout = 12.5
audit-sink = ["syslog"]
audit-keep = "90d"
log-format = "json"

[nodes.db-1.labels]
allow-roles = "operator"

[nodes."db.2".labels]
env = "prod"
"""


def hub_options(tmp_path: Path, text: str) -> object:
    path = tmp_path / "hub.toml"
    path.write_text(text)
    return parse(HUB_START, ["--config", str(path)])


def test_every_kind_of_option_comes_from_the_file_and_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(GOOD)
    options = parse(HUB_START, ["--config", str(path), "--port", "7"])
    assert (options.host, options.port, options.cert, options.heartbeat_timeout) == ("::1", 7, "c.pem", 12.5)
    assert (options.audit_sink, options.audit_keep, options.log_format) == (["syslog"], "90d", "json")
    assert options.node_labels == {"db-1": {"allow-roles": "operator"}, "db.2": {"env": "prod"}}


@pytest.mark.parametrize("command", [HUB_START, NODE_START])
def test_each_option_of_the_command_line_is_a_key(command: object, tmp_path: Path) -> None:
    values = {"text": '"x"', "file": '"x"', "directory": '"x"', "int": "1", "float": "1", "flag": "true"}
    lines = []
    for option in command.options:
        if option.key != "config":
            value = f'"{option.choices[0]}"' if option.choices else values.get(option.kind, '["x"]')
            lines.append(f"{option.name.lstrip('-')} = {value}")
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines))
    options = parse(command, ["--config", str(path)])
    assert all(getattr(options, option.key) for option in command.options)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('cert = "c"\nkey = "k"\nprot = 1\n', 3, "there is no option 'prot'"),
        ('cert = "c"\n\nport = "8443"\n', 3, "'port' must be a whole number"),
        ("port = true\n", 1, "'port' must be a whole number"),
        ("# x\ngrant-token = [1]\n", 2, "'grant-token' must be a list of texts"),
        ('log-level = "loud"\n', 1, "'log-level' must be one of"),
        ("[nodes.db-1.labels]\nenv = 1\n", 2, "the label 'env' must be text"),
        ('port = 1\n[nodes."a b".labels]\nenv = "x"\n', 2, "'a b' is no node id"),
        ("[nodes.db-1]\nlabels = {}\nlabel = {}\n", 3, "there is no setting 'label'"),
        ('port = 1\nnodes = "x"\n', 2, "'nodes' must hold tables"),
        ("[other]\nx = 1\n", 1, "there is no option 'other'"),
        ('"prot" = 1\n', 1, "there is no option 'prot'"),
        ("nodes.n1.labels.env = 5\n", 1, "the label 'env' must be text"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(OmnyShellException) as caught:
        hub_options(tmp_path, text)
    assert f"hub.toml, line {line}: " in str(caught.value)
    assert words in str(caught.value)


def test_what_is_no_toml_is_named_with_its_line_too(tmp_path: Path) -> None:
    with pytest.raises(OmnyShellException, match="line 2"):
        hub_options(tmp_path, "port = 1\nport = \n")


def test_a_node_has_no_table_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[nodes.n1.labels]\nenv = "x"\n')
    with pytest.raises(OmnyShellException, match="no option 'nodes'"):
        parse(NODE_START, ["--config", str(path)])


def test_logs_for_machines_are_json_with_ids_and_no_other_attribute() -> None:
    record = logging.LogRecord("omnyshell.hub", logging.WARNING, "f", 1, "hello %s", ("a\x1b[31m",), None)
    record.peer, record.node_id, record.token = "p1", "n1", "secret"
    line = formatter(is_json=True).format(record)
    data = json.loads(line)
    assert (data["level"], data["message"], data["peer"], data["node_id"]) == ("warning", "hello a\x1b[31m", "p1", "n1")
    assert "\x1b" not in line
    assert "secret" not in line
    assert "\x1b" not in formatter(is_json=False).format(record)


@given(st.text(alphabet=st.sampled_from("ab=\"'[].\n #1nodes{},-lport"), max_size=60))
def test_whatever_a_file_holds_it_is_options_or_one_error(text: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        with contextlib.suppress(ConfigException):
            read_options(file.name, HUB_START)

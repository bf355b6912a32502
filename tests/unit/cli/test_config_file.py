"""Configuration files: every option, and mistakes named by file, line and key."""

import contextlib
import json
import logging
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test
from support.stack import Certificates

from omnyshell import ConfigException, OmnyShellException, Principal, PrincipalId, RoleBasedAuthorizer
from omnyshell.cli.grammar.commands import HUB_START, NODE_START
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.hub.start import config_from as hub_config_from
from omnyshell.cli.node.start import config_from as node_config_from
from omnyshell.keeper.limits import KEYS as LIMITS_OF_SESSIONS
from omnyshell.log_format import formatter
from omnyshell.options.option import Option
from omnyshell.options.toml_file import read_options
from omnyshell.security.authorizer import OWN_MACHINE, Action, NodeResource
from omnyshell.security.grants import GrantAuthorizer
from omnyshell.services.hub.options import OPTIONS as HUB_OPTIONS
from omnyshell.services.node.options import OPTIONS as NODE_OPTIONS

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


GRANT = """[[grants]]
roles = ["web"]
nodes = ["web-*"]
rights = ["exec", "watch"]
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
    assert options.nodes == {"db-1": {"allow-roles": "operator"}, "db.2": {"env": "prod"}}


def test_grants_come_from_the_file_in_their_order(tmp_path: Path, certificates: Certificates) -> None:
    deny = '[[grants]]\nprincipals = ["*"]\nlabels = { env = "prod" }\nrights = ["*"]\ndeny = true\n'
    options = hub_options(tmp_path, f"list-all-nodes = true\n{BASE.format(certificates)}\n{GRANT}\n{deny}")
    config = hub_config_from(options)
    assert [(grant.name, grant.deny) for grant in config.grants] == [("grant 1", False), ("grant 2", True)]
    assert config.grants[0].rights == {Action.EXEC, Action.WATCH}
    assert (config.list_all_nodes, config.open_local_tunnels, config.open_node_tunnels) == (True, False, False)
    assert hub_config_from(hub_options(tmp_path, BASE.format(certificates))).grants == ()


MOST = {"exec", "ssh", "files", "agent", "watch", "kill", "forward"}


def documented(file: str) -> str:
    """The lines of a page's examples of this file, those of all its blocks."""
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", page)
    return "".join(block.replace("\n    ", "\n") for block in blocks if block.strip().startswith(f"# {file}"))


@in_one_test(
    ("who", "node", "rights"),
    [
        ("ann", NodeResource("web-1"), set()),
        ("wes web", NodeResource("web-1"), {"exec", "watch"}),
        ("wes web", NodeResource("db-1"), set()),
        ("ann", NodeResource("n1", {}, {"env": "test"}), {"expose"}),
        ("ann", NodeResource("n1", {"env": "test"}, {"env": "prod"}), set()),
        ("ann", OWN_MACHINE, {"expose"}),
        ("wes web", OWN_MACHINE, set()),
        ("op operator", NodeResource("db-1", {"allow-roles": "operator"}), {"shell", *MOST}),
        ("op operator", NodeResource("db-1", {"allow-roles": "operator", "env": "prod"}), MOST),
        ("root admin", NodeResource("db-1", {"env": "prod"}), {*MOST, "expose", "others"}),
        ("cal on-call", NodeResource("db-1"), {"watch", "others"}),
    ],
)  # fmt: skip
def test_the_grants_of_the_documents_mean_what_is_said_beside_them(
    tmp_path: Path, who: str, node: NodeResource, rights: set[str]
) -> None:
    text = documented("hub.toml")
    tables = text[text.index("[[grants]]                        #") :]
    grants = hub_options(tmp_path, f"cert = 'c'\nkey = 'k'\n{tables}").grants
    name, *roles = who.split()
    authorizer = GrantAuthorizer(RoleBasedAuthorizer(), grants)
    principal = Principal(PrincipalId(name), frozenset(roles))
    assert {action for action in Action if authorizer.decide(principal, action, node).allowed} == rights


def test_a_zero_on_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text('cert = "c"\nkey = "k"\nport = 8443\naudit-max-size = 5\n')
    options = parse(HUB_START, ["--config", str(path), "--port", "0", "--audit-max-size", "0"])
    assert (options.port, int(options.audit_max_size)) == (0, 0)


@pytest.mark.parametrize("command", [HUB_START, NODE_START])
def test_each_option_of_the_command_line_is_a_key(command: object, tmp_path: Path) -> None:
    values = {"text": '"x"', "file": '"x"', "directory": '"x"', "int": "1", "float": "1", "flag": "true"}
    lines = []
    for option in command.options:
        if option.key != "config" and option.kind != "tables":
            value = f'"{option.choices[0]}"' if option.choices else values.get(option.kind, '["x"]')
            lines.append(f"{option.name.lstrip('-')} = {value}")
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines))
    options = parse(command, ["--config", str(path)])
    assert all(getattr(options, option.key) for option in command.options if option.kind != "tables")


@in_one_test(
    ("text", "line", "words"),
    [
        ('cert = "c"\nkey = "k"\nprot = 1\n', 3, "there is no option 'prot'"),
        ('cert = "c"\n\nport = "8443"\n', 3, "'port' must be a whole number"),
        ("port = true\n", 1, "'port' must be a whole number"),
        ("# x\ngrant-token = [1]\n", 2, "'grant-token' must be a list of texts"),
        ('log-level = "loud"\n', 1, "'log-level' must be one of"),
        ("[nodes.db-1.labels]\nenv = 1\n", 2, "'env' in 'labels' must be text"),
        ('port = 1\n[nodes."a b".labels]\nenv = "x"\n', 2, "'a b' is no node id"),
        (
            "[nodes.db-1]\nlabels = {}\nlabel = {}\n",
            3,
            "there is no key 'label' in the table of a node; did you mean 'labels'",
        ),
        ('port = 1\nnodes = "x"\n', 2, "'nodes' must hold tables"),
        ('port = 1\ngrants = "x"\n', 2, "'grants' are tables: begin each with [[grants]]"),
        ("port = 1\ngrants = [1]\n", 2, "'grants' are tables: begin each with [[grants]]"),
        ('[grants]\nroles = ["a"]\n', 1, "'grants' are tables: begin each with [[grants]]"),
        ('[[grants]]\nroles = ["a"]\nnodes = ["*"]\nrights = ["x"]\n', 4, "'x' is no right"),
        (f"{GRANT}\n[[grants]]\nnodes = ['*']\nrights = ['exec']\n", 6, "a grant says for whom"),
        (f"{GRANT}\n[[grants]]\nroles = ['a']\nnode = ['*']\n", 8, "there is no key 'node' in a grant"),
        (f"{GRANT}\n[grants.labels]\nenv = 1\n", 7, "'env' in 'labels' must be text"),
        ("[other]\nx = 1\n", 1, "there is no option 'other'"),
        ('"prot" = 1\n', 1, "there is no option 'prot'"),
        ("nodes.n1.labels.env = 5\n", 1, "'env' in 'labels' must be text"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(OmnyShellException) as caught:
        hub_options(tmp_path, text)
    assert f"hub.toml, line {line}: " in str(caught.value)
    assert words in str(caught.value)


BASE = """cert = "{0.cert}"
key = "{0.key}"
grant-token = ["a:b:c"]
"""


@in_one_test(
    ("text", "words"),
    [
        ("port = 99999", "'port' 99999: ports are 0 to 65535"),
        ("heartbeat-timeout = -1", "'heartbeat-timeout' -1: must be at least 12: nodes send a heartbeat every 10 s"),
        ("max-connections = 0", "'max-connections' 0: must be more than 0"),
        ('audit-sink = ["syslog", "pigeon"]', "'audit-sink': an audit sink is file:PATH"),
        ('audit-keep = "soon"', "'audit-keep': duration 'soon': write it as"),
        ('audit-keep = "999999999w"', "'audit-keep': duration '999999999w': a duration is at most 36500 days"),
        ("audit-max-size = -1", "'audit-max-size' -1: must be at least 0 MiB"),
        ('login-limit = "often"', "'login-limit': "),
        ('tunnel-port-range = "9-1"', "'tunnel-port-range': port range 9-1 must lie in"),
        ('tunnel-key = "/nowhere/x"', "'tunnel-key' '/nowhere/x': there is no such file"),
        ('metrics-token-file = "/nowhere/x"', "'metrics-token-file': cannot read the token"),
        ('authorized-keys = "/nowhere/x"', "'authorized-keys': "),
    ],
)
def test_a_wrong_value_of_a_hub_is_named_with_its_line(
    tmp_path: Path, certificates: Certificates, text: str, words: str
) -> None:
    with pytest.raises(ConfigException) as caught:
        hub_config_from(hub_options(tmp_path, BASE.format(certificates) + text))
    assert f"hub.toml, line 4: {words}" in str(caught.value)


def test_a_wrong_grant_is_named_without_its_token(tmp_path: Path, certificates: Certificates) -> None:
    text = BASE.format(certificates).replace("a:b:c", "se:cr:e:t")
    with pytest.raises(ConfigException, match=r"hub.toml, line 3: 'grant-token': ") as caught:
        hub_config_from(hub_options(tmp_path, text))
    assert "se:cr" not in str(caught.value)


def test_a_hub_alone_needs_somebody_who_may_log_in_and_one_of_several_learns_of_them(
    tmp_path: Path, certificates: Certificates
) -> None:
    state = tmp_path / "state"
    options = hub_options(
        tmp_path, f'cert = "{certificates.cert}"\nkey = "{certificates.key}"\nstate-dir = "{state}"\n'
    )
    with pytest.raises(ConfigException, match="nobody could log in"):
        hub_config_from(options)
    (state / "cluster").mkdir(parents=True, mode=0o700)
    (state / "cluster" / "cluster.json").touch(mode=0o600)
    assert hub_config_from(options).state_dir == state


def test_a_certificate_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigException, match=r"hub.toml, line 1: 'cert' '/nowhere/c.pem': there is no such file"):
        hub_config_from(hub_options(tmp_path, 'cert = "/nowhere/c.pem"\nkey = "k"\n'))


@in_one_test(
    ("text", "line", "words"),
    [
        ('id = "a b"', 1, "'id' 'a b': use letters"),
        (
            'id = "n1"\nhub = "h"\nprincipal = "p"\ntoken = "t"\nlabel = ["env"]',
            5,
            "'label': label 'env': write it as KEY=VALUE",
        ),
        ('id = "n1"\nhub = "ws://h"', 2, "'hub': hub address 'ws://h' must begin with wss://"),
        ('id = "n1"\nhub = "h"\nprincipal = "p"\nkey = "/nowhere/key"', 4, "'key': "),
        ('id = "n1"\nhub = "h"\nprincipal = "p"\ntoken-file = "/nowhere/t"', 4, "'token-file': cannot read"),
        ('id = "n1"\nhub = "h"\nprincipal = "p"\ntoken = "t"\ntunnel-allow = ["x"]', 5, "'tunnel-allow': 'x' is no"),
        ('id = "n1"\nca = "/nowhere/ca.pem"', 2, "'ca' '/nowhere/ca.pem': there is no such file"),
        ('id = "n1"\nmax-sessions = 0', 2, "'max-sessions' 0: must be at least 1"),
        (
            'id = "n1"\nhub = "h"\nprincipal = "p"\ntoken = "t"\nexec-resume-timeout = "x"',
            5,
            "'exec-resume-timeout': duration 'x'",
        ),
        ('id = "n1"\nhub = "h"\nprincipal = "p"\ntoken = "t"\nauto-detach-timeout = "999999999d"', 5, "at most 36500"),
        ('id = "n1"\npam = "maybe"\n[users]\nann = "ann"', 2, "'pam' must be one of true, false"),
    ],
)
def test_a_wrong_value_of_a_node_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, words: str
) -> None:
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path))
    path = tmp_path / "node.toml"
    path.write_text(text)
    with pytest.raises(ConfigException) as caught:
        node_config_from(parse(NODE_START, ["--config", str(path)]))
    assert f"node.toml, line {line}: " in str(caught.value)
    assert words in str(caught.value)


def test_pam_has_no_say_where_nobody_becomes_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path))
    path = tmp_path / "node.toml"
    path.write_text('id = "n1"\nhub = "h"\nprincipal = "p"\ntoken = "t"\npam = true\nrun-as-node-user = true')
    with pytest.raises(ConfigException, match=r"PAM has a say in sessions of \[users\] alone"):
        node_config_from(parse(NODE_START, ["--config", str(path)]))


def test_a_wrong_value_of_the_command_line_is_named_by_its_option(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(BASE.format(Certificates(path, path, path)) + "port = 1\n")
    with pytest.raises(ConfigException, match=r"^--port 99999: ports are 0 to 65535$"):
        hub_config_from(parse(HUB_START, ["--config", str(path), "--port", "99999"]))


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
            read_options(file.name, HUB_START.options)


EMPTY_OPENS = {"allow-command", "tunnel-allow", "files-root", "public-url"}
"""Lists that restrict where something is in them, and nothing where they are not said."""


@in_one_test("option", [*HUB_OPTIONS, *NODE_OPTIONS], ids=lambda option: option.name)
def test_an_empty_list_in_a_file_never_means_that_nothing_is_restricted(option: Option, tmp_path: Path) -> None:
    if option.kind not in ("list", "tables") or option.toml_key in ("nodes", "cluster"):
        # Labels of nodes are a table of tables, a cluster is one table, which no list can be.
        assert not option.if_empty
        return
    path = tmp_path / "empty.toml"
    path.write_text(f"# a file\n{option.toml_key} = []\n")
    assert bool(option.if_empty) is (option.toml_key in EMPTY_OPENS)
    if option.if_empty or option.toml_key in ("commands", "users", "ssh", *LIMITS_OF_SESSIONS):
        with pytest.raises(ConfigException, match=f"^{path}, line 2: '{option.toml_key}'"):
            read_options(path, [option])
    else:
        assert not read_options(path, [option]).values[option.key]


@in_one_test(
    ("key", "meant"),
    [
        ("allow-commands", "allow-command"),
        ("allow_command", "allow-command"),
        ("Allow-Command", "allow-command"),
        ("command", "commands"),
        ("tunnel-alow", "tunnel-allow"),
        ("refuse_env", "refuse-env"),
    ],
)
def test_a_key_that_is_nearly_one_is_told_which(key: str, meant: str, tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(f"{key} = ['x']\n")
    with pytest.raises(ConfigException, match=f"there is no option '{key}'; did you mean '{meant}'"):
        read_options(path, NODE_OPTIONS)


def test_a_key_that_is_like_none_is_told_all(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text("xyzzy = 1\n")
    with pytest.raises(ConfigException, match=r"'xyzzy'; known are .*allow-command, .*tunnel-allow"):
        read_options(path, NODE_OPTIONS)


def test_a_former_name_of_an_option_means_what_it_meant(tmp_path: Path) -> None:
    formerly = [option for option in (*HUB_OPTIONS, *NODE_OPTIONS) if option.formerly]
    assert formerly
    for option in formerly:
        command = NODE_START if option in NODE_OPTIONS else HUB_START
        needed = [word for other in command.options if other.required for word in (other.name, "x")]
        assert getattr(parse(command, [*needed, option.formerly]), option.key) is True
        path = tmp_path / "former.toml"
        path.write_text(f"{option.formerly.lstrip('-')} = true\n")
        assert read_options(path, command.options).values == {option.key: True}
        path.write_text(f"{option.formerly.lstrip('-')} = true\n{option.toml_key} = true\n")
        with pytest.raises(ConfigException, match=r"line 2: .*is there too|line 1: .*is there too"):
            read_options(path, command.options)

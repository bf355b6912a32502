"""Whoever can write a file that is trusted does not become what it says: strict modes of hub, node and client."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stack import Certificates, hub_config, until

from omnyshell import ConfigException, OmnyShellHub, PublicKeyAuthenticator
from omnyshell.cli.grammar.command import Command
from omnyshell.cli.grammar.commands import COMMANDS, HUB_START, NODE_START
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import describe
from omnyshell.cli.hub.start import config_from as hub_config_from
from omnyshell.cli.hub.state import hub_options, state_directory
from omnyshell.cli.node.check import check
from omnyshell.cli.node.start import config_from as node_config_from
from omnyshell.options.option import Option
from omnyshell.paths import bound_hubs_file, logins_file
from omnyshell.security.authorized_keys import AuthorizedKeysStore
from omnyshell.security.files import write_private
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.strict_modes import StrictModes
from omnyshell.services.access_options import ACCESS
from omnyshell.services.client.access import hub_access
from omnyshell.services.hub.ground.watched_files import WatchedFiles
from omnyshell.services.hub.options import OPTIONS as HUB_OPTIONS
from omnyshell.services.node.options import OPTIONS as NODE_OPTIONS
from omnyshell.services.service_options import STRICT_MODES

NODES_LIST = next(command for command in COMMANDS if command.words == ("nodes", "list"))
PATHS = ("file", "directory")


def paths_of(options: tuple[Option, ...]) -> list[Option]:
    return [option for option in options if option.kind in PATHS]


@pytest.fixture
def files(tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a file for each option that names one."""
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path / "home"))
    directory = tmp_path / "files"
    directory.mkdir(mode=0o755)
    key = Ed25519PrivateKey.generate()
    key.save(directory / "client.key")
    made = {
        "cert": certificates.cert.read_text(),
        "key": certificates.key.read_text(),
        "tunnel_cert": certificates.tunnel_cert.read_text(),
        "tunnel_key": certificates.tunnel_key.read_text(),
        "authorized_keys": f"ann {key.public_key.to_base64()} admin\n",
        "grant_token_file": "ann:token:admin\n",
        "metrics_token_file": "token\n",
        "token_file": "token\n",
        "key_passphrase_file": "secret\n",
        "ca": certificates.ca.read_text(),
        "bind_certificate": certificates.cert.read_text(),
        "config": "# nothing\n",
        "audit_sink_ca": certificates.ca.read_text(),
        "audit_sink_cert": certificates.cert.read_text(),
        "audit_sink_key": certificates.key.read_text(),
    }
    for name, text in made.items():
        write_private(directory / name, text.encode())
    (directory / "state_dir").mkdir(mode=0o700)
    return directory


def words_of(options: tuple[Option, ...], files: Path, *more: str) -> list[str]:
    words = [*more]
    for option in paths_of(options):
        words += [option.name, str(files / option.key)]
    return words


def hub(files: Path, *more: str) -> object:
    return hub_config_from(parse(HUB_START, words_of(HUB_OPTIONS, files, *more)))


def node(files: Path, *more: str) -> object:
    (files / "key").write_bytes((files / "client.key").read_bytes())
    given = ("--id", "n1", "--hub", "wss://localhost:1", "--principal", "box", *more)
    return node_config_from(parse(NODE_START, words_of(NODE_OPTIONS, files, *given)))


def client(files: Path, *more: str) -> object:
    (files / "key").write_bytes((files / "client.key").read_bytes())
    options: argparse.Namespace = parse(
        NODES_LIST, words_of(ACCESS, files, "--hub", "wss://localhost:1", "--principal", "ann", *more)
    )
    return access_from(options)


PROGRAMS = [
    (program, option)
    for program, options in ((hub, HUB_OPTIONS), (node, NODE_OPTIONS), (client, ACCESS))
    for option in paths_of(options)
]


@pytest.mark.parametrize(("program", "option"), PROGRAMS)
@pytest.mark.parametrize("mode", [0o602, 0o666, 0o777])
def test_a_file_that_others_can_write_is_refused_with_path_and_remedy(
    files: Path, program: Callable[..., object], option: Option, mode: int
) -> None:
    program(files)
    path = files / option.key
    path.chmod(mode)
    with pytest.raises(ConfigException, match=f"write {path}; chmod go-w {path}") as raised:
        program(files)
    assert "or give --strict-modes false" in describe(raised.value)
    path.chmod(0o700 if path.is_dir() else 0o600)
    program(files)


@pytest.mark.parametrize("program", [hub, node, client])
def test_a_directory_that_others_can_write_is_refused_and_taken_where_it_must_be(
    files: Path, program: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    files.chmod(0o777)
    with pytest.raises(ConfigException, match=f"others can write {files};"):
        program(files)
    caplog.clear()
    program(files, "--strict-modes", "false")
    assert [record.message for record in caplog.records if "strict" in record.message] == (
        [] if program is client else ["--strict-modes false: files that others can write are trusted"]
    )


@pytest.mark.parametrize("program", [hub, node])
def test_the_file_of_options_says_so_for_others_and_not_for_itself(files: Path, program: Callable[..., object]) -> None:
    (files / "config").write_text("strict-modes = false\n")
    named = "cert" if program is hub else "ca"
    (files / named).chmod(0o666)
    program(files)
    (files / "config").chmod(0o666)
    with pytest.raises(ConfigException, match=f"others can write {files / 'config'}"):
        program(files)
    program(files, "--strict-modes", "false")


@pytest.mark.parametrize("kept", ["hub.db", "audit.db", "audit.key"])
def test_what_a_hub_keeps_is_judged_too(files: Path, kept: str) -> None:
    write_private(files / "state_dir" / kept, b"")
    (files / "state_dir" / kept).chmod(0o666)
    with pytest.raises(ConfigException, match=f"others can write {files / 'state_dir' / kept}"):
        hub(files)


@pytest.mark.parametrize("file", [logins_file, bound_hubs_file])
def test_what_a_client_remembers_is_judged(files: Path, file: Callable[[], Path]) -> None:
    write_private(file(), b"")
    file().chmod(0o666)
    with pytest.raises(ConfigException, match=f"others can write {file()}"):
        client(files)


def test_the_environment_says_it_for_clients_that_have_no_options(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "ca").chmod(0o666)
    given = {"hub": "wss://localhost:1", "principal": "ann", "token": "t", "ca": str(files / "ca")}
    with pytest.raises(ConfigException, match="others can write"):
        hub_access(given)
    monkeypatch.setenv("OMNYSHELL_STRICT_MODES", "false")
    hub_access(given)


async def test_an_edit_of_keys_by_another_user_is_not_taken_over(certificates: Certificates, tmp_path: Path) -> None:
    keys, mallory = tmp_path / "authorized_keys", Ed25519PrivateKey.generate()
    write_private(keys, b"# nobody\n")
    store = AuthorizedKeysStore.from_file(keys)
    config = hub_config(
        certificates,
        authenticator=PublicKeyAuthenticator(store),
        watched=(WatchedFiles((keys,), store.reload),),
        strict_modes=StrictModes(),
    )
    async with OmnyShellHub(config) as hub:
        line = f"mallory {mallory.public_key.to_base64()} admin\n"
        keys.chmod(0o666)
        keys.write_text(line)
        await until(lambda: any(record.action == "hub.reload" for record in hub.audit))
        refused = [record for record in hub.audit if record.action == "hub.reload"]
        assert [record.outcome for record in refused] == ["error"]
        assert "others can write" in (refused[0].reason or "")
        assert not store.entries
        keys.chmod(0o600)
        keys.write_text(line + "\n")
        await until(lambda: bool(store.entries))


def with_option(*keys: str) -> list[Command]:
    return [command for command in COMMANDS if set(keys) & {option.key for option in command.options}]


def test_every_command_that_takes_a_configuration_can_be_told_how_files_are_judged() -> None:
    commands = with_option("hub_config", "config")
    assert {"hub start", "node start", "hub backup", "audit verify", "audit head", "locks remove"} <= {
        command.name for command in commands
    }
    for command in commands:
        assert [option.key for option in command.options].count(STRICT_MODES.key) == 1, command.name


def state_of(options: argparse.Namespace) -> Path:
    """The hub's state directory as a command finds it: not all of them can be told another one."""
    return state_directory(options) if "state_dir" in options else Path(hub_options(options).state_dir)


@pytest.mark.parametrize("command", with_option("hub_config"), ids=lambda one: one.name)
def test_a_hubs_configuration_that_others_can_write_is_taken_where_that_is_said(files: Path, command: Command) -> None:
    config = files / "hub.toml"
    config.write_text(f"state-dir = '{files / 'state'}'\ncert = '{files / 'cert'}'\nkey = '{files / 'key'}'\n")
    config.chmod(0o666)
    arguments = ["x" for option in command.options if not option.name.startswith("-") and not option.choices]
    choices = [option.choices[0] for option in command.options if not option.name.startswith("-") and option.choices]
    words = ["--hub-config", str(config), *choices, *arguments]
    with pytest.raises(ConfigException, match=f"others can write {config}"):
        state_of(parse(command, words))
    assert state_of(parse(command, [*words, "--strict-modes", "false"])) == files / "state"


def test_the_rules_of_a_node_that_others_can_write_are_not_said_to_be_its_rules(files: Path) -> None:
    config = files / "node.toml"
    config.write_text('allow-command = ["uptime"]\n')
    config.chmod(0o666)
    words = ["--config", str(config), "uptime"]
    command = next(command for command in COMMANDS if command.name == "node check")
    with pytest.raises(ConfigException, match=f"others can write {config}"):
        check(parse(command, words))
    assert check(parse(command, ["--strict-modes", "false", *words])) == 0

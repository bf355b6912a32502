"""The installed commands that reach no hub: certificates, keys, completion scripts, configuration files."""

import base64
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.commands import run_text
from support.deadline import DEADLINE
from support.pki import YEAR, issue, root
from support.stack import Certificates

from omnyshell.cli.grammar.completion import script_for
from omnyshell.security.keys import Ed25519PrivateKey

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))


def test_certificates_and_keys_are_made_and_shown(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = run_text(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("cert", "gen", "--out", str(tmp_path), "--host", "hub.example", "--host", "10.0.0.1", "--host", "::1")
    shown = run("cert", "show", str(tmp_path / "hub.pem"))
    assert "hub.example" in shown
    assert "10.0.0.1" in shown
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    (line,) = run("keygen", "--out", str(tmp_path / "k"), "--principal", "ann").splitlines()
    assert [len(word) for word in line.split()] == [3, 43, 9]
    for shell in ("bash", "zsh", "fish"):
        assert "omnyshell" in run("completion", shell)


def test_what_a_file_holds_instead_is_said(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return run_text(*words)

    run("cert", "gen", "--out", str(tmp_path))
    key = tmp_path / "hub.key"
    shown = run("cert", "show", str(key))
    assert (shown.returncode, shown.stderr) == (255, f"omnyshell: {key} holds a private key and no certificate\n")
    made = Ed25519PrivateKey.generate().public_key
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + made.raw
    public = tmp_path / "id.pub"
    public.write_text(f"ssh-ed25519 {base64.b64encode(blob).decode()} ann@home\n")
    # What everybody may read is no secret.
    public.chmod(0o644)
    told = run("keygen", "--from", str(public), "--principal", "ann")
    assert (told.returncode, told.stdout) == (0, f"ann {made.to_base64()} ROLE,ROLE\n")


def test_a_reader_that_has_gone_ends_any_command_as_sigpipe_ends_a_program() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for words in (["help"], ["completion", "bash"], ["exec", "--help"]):
        done = subprocess.run([OMNYSHELL, *words], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=DEADLINE)
        assert (done.returncode, done.stderr) == (141, b"")
    os.close(writer)


def test_help_names_the_tables_of_the_file() -> None:
    for words, tables in (
        (("hub", "start"), ("[nodes.ID.labels]", "[[grants]]")),
        (("node", "start"), ("[[commands]]",)),
    ):
        done = run_text(*words, "--help")
        assert done.returncode == 0
        assert all(table in done.stdout for table in tables)


def test_a_renewed_certificate_keeps_its_names(tmp_path: Path) -> None:
    def generate(*words: str) -> tuple[str, str]:
        done = run_text("cert", "gen", "--out", str(tmp_path), *words)
        assert done.returncode == 0, done.stderr
        (names,) = [line for line in done.stdout.splitlines() if line.startswith("names")]
        return names.removeprefix("names").strip(), done.stderr

    assert generate() == ("localhost, 127.0.0.1, ::1", "")
    assert generate("--host", "hub.example", "--host", "localhost")[0] == "hub.example, localhost"
    assert generate() == ("hub.example, localhost", "")
    names, told = generate("--host", "localhost")
    assert names == "localhost"
    assert "whoever reaches the hub as hub.example is refused now" in told


def test_a_certificate_is_shown_with_what_clients_refuse(tmp_path: Path) -> None:
    start = datetime.now(UTC) - YEAR
    expired, _ = issue(root("The Root"), names=["hub.example"], start=start, life=YEAR / 2).write(tmp_path, "expired")
    alone, _ = issue(root("The Root"), names=["hub.example"]).write(tmp_path, "alone")
    alone.write_bytes(alone.read_bytes().partition(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n")

    def problems(path: Path) -> list[str]:
        done = run_text("cert", "show", str(path))
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if line.startswith("problem")]

    (line,) = problems(expired)
    assert line.startswith("problem      it expired on ")
    (line,) = problems(alone)
    assert line.startswith("problem      if 'CN=The Root', which issued it, is an intermediate, the certificate")
    assert run_text("cert", "gen", "--out", str(tmp_path)).returncode == 0
    for name in ("hub.pem", "ca.pem", "tunnel.pem", "tunnel-ca.pem"):
        assert problems(tmp_path / name) == []


def test_a_pair_that_cannot_serve_ends_a_hubs_start_with_one_line(certificates: Certificates, tmp_path: Path) -> None:
    _, other = issue(root(), names=["localhost"]).write(tmp_path, "other")
    for cert, key, says in (
        (certificates.key, certificates.cert, "certificate and key are swapped"),
        (certificates.cert, other, f"{other} is the key of another certificate than that in {certificates.cert}"),
    ):
        command = ["hub", "start", "--port", "0", "--grant-token", "a:b:admin"]
        command += ["--cert", str(cert), "--key", str(key)]
        for more in ([], ["--state-dir", str(tmp_path / "state")]):
            done = run_text(*command, *more)
            assert done.returncode == 255
            assert done.stderr.startswith(f"omnyshell: {says}")
            assert len(done.stderr.splitlines()) == 1


def test_a_damaged_certificate_is_renewed_only_for_names_that_are_given(tmp_path: Path) -> None:
    command = ["cert", "gen", "--out", str(tmp_path)]
    assert run_text(*command).returncode == 0
    (tmp_path / "hub.pem").write_text("garbage")
    done = run_text(*command)
    assert (done.returncode, "--host" in done.stderr) == (255, True)
    assert run_text(*command, "--host", "hub.example").returncode == 0


def test_a_configuration_file_gives_options_and_a_wrong_key_is_an_error(
    tmp_path: Path, certificates: Certificates
) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'cert = "{certificates.cert}"\nkey = "{certificates.key}"\nports = 1\n')
    done = run_text("hub", "start", "--config", str(config))
    assert done.returncode == 255
    assert "'ports'" in done.stderr


def check(*words: str) -> tuple[int, str, str]:
    done = run_text("node", "check", *words)
    return done.returncode, done.stdout, done.stderr


def test_a_node_is_asked_what_it_lets_run(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(
        'id = "n1"\nallow-command = ["git log*", "uptime *"]\nrefuse-env = ["X*"]\n\n'
        '[[commands]]\nprogram = "/bin/echo"\narguments = ["a", "*"]\nenvironment = ["TZ"]\ndirectory = "/"\n'
    )
    code, said, warned = check("--config", str(config), "echo", "a", "b c")
    assert code == 0
    assert said.startswith(f"allowed by rule 3, [[commands]] at {config}, line 5\n")
    for fact in ("/bin/echo a 'b c'", "in           /\n", "terminal     none", "PAGER=cat", "may be set   TZ"):
        assert fact in said
    assert "warning: --allow-command 'git log*': a wildcard stays within its word" in warned
    # One word is a line.
    assert check("--config", str(config), "/bin/echo a 'b c'")[1] == said
    assert check("--config", str(config), "--", "/bin/echo", "a", "b c")[1] == said
    assert check("--config", str(config), "--cwd", "/", "/bin/echo", "a", "b c")[1] == said
    code, said, _ = check("--config", str(config), "/bin/echo", "a", "-n")
    assert (code, said.splitlines()) == (
        1,
        [
            "refused",
            "  rule 1, --allow-command 'git log*': its program is git",
            "  rule 2, --allow-command 'uptime *': its program is uptime",
            (
                f"  rule 3, [[commands]] at {config}, line 5: word 3, '-n', does not match '*': "
                "no wildcard takes an option in the place of a word"
            ),
        ],
    )
    for options, why in ((["--tty"], "may not run on a terminal"), (["--cwd", "/tmp"], "it runs in / only")):
        code, said, _ = check("--config", str(config), *options, "echo", "a", "b")
        assert (code, why in said) == (1, True)
    # The command line replaces patterns, as for `node start`.
    assert check("--config", str(config), "--allow-command", "id *", "uptime")[0] == 1
    assert check("--config", str(config), "--allow-command", "id *", "id", "-u", "--help")[0] == 0


def test_a_node_without_rules_lets_everything_run_and_wrong_words_are_errors(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('[[commands]]\nprogram = "ls"\n')
    assert check("rm", "-rf", "/") == (0, "allowed: the node has no rules, and lets everything run\n", "")
    for words, text in (
        ([], "COMMAND is missing"),
        (["--config", str(config), "ls"], f"{config}, line 2: 'program': 'ls' is not absolute"),
        (["--config", str(tmp_path / "absent"), "ls"], "cannot read"),
        (["--allow-command", "ls", "'x"], "The command cannot be split"),
        (["--nonsense", "ls"], "unrecognized arguments: --nonsense"),
    ):
        code, said, complained = check(*words)
        assert (code, said, text in complained) == (255, "", True), complained


def test_a_hubs_file_that_hub_start_would_not_take_is_named_by_each_command_that_reads_it(tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('cert = "hub.pem"\n')
    for words in (
        ("hub", "join", "omnyhub-x"),
        ("cluster", "status"),
        ("hub", "backup", str(tmp_path / "copy")),
        ("audit", "verify"),
    ):
        ran = run_text(*words, "--hub-config", str(config))
        assert (ran.returncode, ran.stderr) == (255, f"omnyshell: {config}: 'key' is missing\n"), words


USERS = """\
PRINCIPAL  ROLES                                        NAME  FROM      ID        KIND   LABEL  EXPIRES (UTC)
ann        admin,ops (until 2026-01-02 03:04),on-call   Ann   enrolled  3f8a11c0  token  -      -
ann        admin,ops (until 2026-01-02 03:04),on-call   Ann   enrolled  77777777  key    -      -
bob        -                                            -     file      -         -      -      -
$(touch${IFS}ran)  `touch${IFS}ran`,;touch${IFS}ran     -     file      -         -      -      -
"""
NODES = "NODE   STATE\ndb-1   online\nweb.2  online\n$(touch${IFS}ran)  online\n"
LOCKS = "KIND  NAME  SINCE (UTC)\nprincipal  eve  x\nnode  web.2  x\nrole  contractor  x\nrole  `touch${IFS}ran`  x\n"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("locks add ", "principal node role"),
        ("locks add principal ", "ann bob"),
        ("locks add principal a", "ann"),
        ("locks add node ", "db-1 web.2"),
        ("locks add role ", "admin ops on-call"),
        ("locks add role o", "ops on-call"),
        ("locks add --for 2h role ", "admin ops on-call"),
        ("locks add other ", ""),
        ("locks remove principal ", "eve"),
        ("locks remove node ", "web.2"),
        ("locks remove role ", "contractor"),
        ("connect ", "db-1 web.2"),
    ],
)
def test_what_a_hub_names_is_offered_and_never_run(tmp_path: Path, typed: str, offered: str) -> None:
    for name, text in (("users", USERS), ("nodes", NODES), ("locks", LOCKS)):
        (tmp_path / name).write_text(text)
    (tmp_path / "omnyshell").write_text(f'#!/bin/sh\n[ "$2" = list ] && cat {tmp_path}/"$1"\n')
    (tmp_path / "omnyshell").chmod(0o755)
    script = (
        f'{script_for("bash")}\nread -ra COMP_WORDS <<< "$1"\n[[ $1 == *" " ]] && COMP_WORDS+=("")\n'
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _omnyshell; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", f"omnyshell {typed}"],
        capture_output=True, text=True, timeout=DEADLINE, check=True, cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stdout.split() == offered.split()
    assert not (tmp_path / "ran").exists()

"""What a node makes of a request for ssh, without sshd."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.in_one_test import in_one_test

from omnyshell import PrincipalId
from omnyshell.errors import ConfigException, SessionRejectedException
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.messages import NodeSessionOpen
from omnyshell.security.credentials import PublicKeyCredentialProvider, TokenCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey, decode_base64_lenient
from omnyshell.security.public_keys import fingerprint, in_ssh_form
from omnyshell.security.ssh_host_proof import SshMeeting
from omnyshell.services.node.pythons import is_for_everybody
from omnyshell.services.node.ssh import launcher, program
from omnyshell.services.node.ssh.host_keys import HostKeys
from omnyshell.services.node.ssh.service import SshService

CLIENT, NODE = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
BY_TOKEN = TokenCredentialProvider(PrincipalId("box"), "secret")
BY_KEY = PublicKeyCredentialProvider(PrincipalId("box"), NODE)


def request(**changes: Any) -> NodeSessionOpen:
    fields = {"ssh_key": CLIENT.public_key.to_base64(), "ssh_nonce": "once", "user": "ann"} | changes
    return NodeSessionOpen(session_id="s-1", principal="admin", mode=SessionMode.SSH, **fields)


def service(tmp_path: Path, credentials: Any = BY_KEY, refused: tuple[str, ...] = ()) -> SshService:
    return SshService("n1", tmp_path, credentials, refused, None)


def told(ssh: SshService, **changes: Any) -> launcher.Asked:
    """What the launcher reads of what it is told."""
    return launcher.Asked.from_text(ssh.variables(request(**changes))[launcher.ASKED])


def test_the_proof_names_all_that_matters(tmp_path: Path) -> None:
    answer = service(tmp_path).answer(request())
    assert answer is not None
    said = {
        "node_id": "n1",
        "host_key": Ed25519PublicKey.from_base64(answer.host_key),
        "client_key": CLIENT.public_key,
        "user": "ann",
        "session_id": "s-1",
        "nonce": "once",
    }
    assert answer.node_key == NODE.public_key.to_base64()
    proof = decode_base64_lenient(answer.proof or "")
    assert NODE.public_key.verify(proof, SshMeeting(**said).message)
    for name in said:
        other = NODE.public_key if name.endswith("key") else "other"
        assert not NODE.public_key.verify(proof, SshMeeting(**said | {name: other}).message)


def test_a_node_with_a_token_shows_its_host_key_alone(tmp_path: Path) -> None:
    answer = service(tmp_path, BY_TOKEN).answer(request())
    assert answer is not None
    assert (answer.node_key, answer.proof) == (None, None)


def test_a_question_has_no_answer_but_the_name(tmp_path: Path) -> None:
    asking = request(ssh_key=None, user=None)
    assert service(tmp_path).answer(asking) is None
    assert service(tmp_path).variables(asking) == {launcher.ASKED: ""}
    assert not list(tmp_path.iterdir())


def test_a_question_that_names_a_user_is_answered_with_a_proof_that_lets_nobody_in(tmp_path: Path) -> None:
    asking = request(ssh_key=None)
    answer = service(tmp_path).answer(asking)
    assert answer is not None
    assert service(tmp_path).variables(asking) == {launcher.ASKED: ""}
    host_key = Ed25519PublicKey.from_base64(answer.host_key)
    said = {"node_id": "n1", "host_key": host_key, "user": "ann", "session_id": "s-1", "nonce": "once"}
    proof = decode_base64_lenient(answer.proof or "")
    assert NODE.public_key.verify(proof, SshMeeting(**said, client_key=None).message)
    assert not NODE.public_key.verify(proof, SshMeeting(**said, client_key=CLIENT.public_key).message)
    with pytest.raises(SessionRejectedException):
        service(tmp_path).answer(request(ssh_key=None, ssh_nonce=None))


@pytest.mark.parametrize(
    "changes", [{"ssh_key": "YQ"}, {"ssh_key": "?"}, {"user": None}, {"ssh_nonce": None}, {"ssh_nonce": "x" * 129}]
)
def test_what_is_no_request_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    for asked in (service(tmp_path).answer, service(tmp_path).variables):
        with pytest.raises(SessionRejectedException):
            asked(request(**changes))


def test_variables_that_requests_may_not_set_are_not_accepted_by_ssh(tmp_path: Path) -> None:
    asked = told(service(tmp_path, refused=("LC_*", "COLORTERM")))
    assert asked.accept == ("LANG", "LANGUAGE", "NO_COLOR", "GIT_PROTOCOL")
    assert asked.key == in_ssh_form(CLIENT.public_key)
    assert asked.host_key.endswith("-----END OPENSSH PRIVATE KEY-----\n")


def test_each_user_has_a_key_that_stays_as_long_as_the_secret(tmp_path: Path) -> None:
    keys = HostKeys(tmp_path / "secret")
    assert keys.public_key("ann") == HostKeys(tmp_path / "secret").public_key("ann")
    assert keys.public_key("ann") != keys.public_key("bea")
    assert keys.public_key("ann") != HostKeys(tmp_path / "another").public_key("ann")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert keys.in_ssh_form("ann").startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ConfigException, match="is damaged"):
        HostKeys(tmp_path / "secret").public_key("ann")


def test_a_fingerprint_is_as_openssh_shows_it() -> None:
    key = Ed25519PublicKey(bytes(range(32)))
    assert in_ssh_form(key) == "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    assert fingerprint(key) == "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"


@pytest.mark.parametrize("hub_lets", [False, True])
def test_an_agent_is_forwarded_where_the_hub_lets_it(tmp_path: Path, *, hub_lets: bool) -> None:
    assert told(service(tmp_path), ssh_agent=hub_lets).agent is hub_lets


def test_what_sshd_reads_lets_one_user_in_and_takes_over_variables(tmp_path: Path) -> None:
    include = tmp_path / "sshd config"
    include.write_text("DenyUsers bea\n  Subsystem\tsftp /usr/lib/sftp-server\n")
    asked = launcher.Asked("host", "key", accept=["LANG"], agent=False, include=str(include))
    environment = {"PATH": "/bin", "HOME": "/", "A B": "x", "Q": 'a "quoted\\ thing', "N": "a\nb", "LC_ALL": "C"}
    lines = launcher.configuration("ann", asked, environment, host_key="/h", keys="/k").splitlines()
    assert {"HostKey /h", "AuthorizedKeysFile /k", "AllowUsers ann", "PasswordAuthentication no"} <= set(lines)
    assert 'SetEnv "PATH=/bin" "Q=a \\"quoted\\\\ thing"' in lines
    assert lines[-1] == f'Include "{include}"'
    assert not any(line.startswith("Subsystem") for line in lines)
    assert "AllowAgentForwarding no" in lines
    asked = launcher.Asked("host", "key", accept=["LANG"], agent=True, include="")
    plain = launcher.configuration("ann", asked, {}, host_key="/h", keys="/k").splitlines()
    assert "AllowAgentForwarding yes" in plain
    assert plain[-1] == "Subsystem sftp internal-sftp"


def test_a_file_that_is_not_there_any_more_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = launcher.Asked("host", "key", accept=(), agent=False, include="/nowhere")
    monkeypatch.setenv(launcher.ASKED, asked.text())
    monkeypatch.setattr(launcher, "_candidates", lambda: iter(["/bin/sh"]))
    assert launcher.main() == launcher.FAILED
    assert "cannot read /nowhere, which [ssh] of the node's file includes" in capfd.readouterr().err


@in_one_test(
    ("line", "said"),
    [
        ("chown(/dev/pts/22, 1001, 5) failed: Operation not permitted", "/dev/pts is not mounted with gid=5"),
        ("User root not allowed because account is locked", "sshd lets nobody in whose account is locked"),
        ("Missing privilege separation directory: /run/sshd", "sshd needs the directory /run/sshd, which is missing"),
        ("Privilege separation user sshd does not exist", "sshd needs the user sshd, who is missing"),
        (
            "User ann from 127.0.0.1 not allowed because listed in DenyUsers",
            "sshd lets this user not in: not allowed because listed in DenyUsers",
        ),
        ("Received disconnect from 127.0.0.1 port 1:11: disconnected by user", ""),
    ],
)
def test_what_sshd_says_is_passed_on_in_our_words(line: str, said: str) -> None:
    assert said in launcher.meaning(line)
    assert bool(said) is bool(launcher.meaning(line))


def test_the_program_is_one_that_everybody_can_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    copy = hidden / "launcher.py"
    copy.write_bytes(Path(launcher.__file__).read_bytes())
    assert not is_for_everybody(copy)
    assert not is_for_everybody(tmp_path / "nowhere")
    assert is_for_everybody(Path("/bin/sh"))
    monkeypatch.setattr(launcher, "__file__", str(copy))
    words = program.program.__wrapped__()
    assert words[1:] == ("-I", "-S", "-c", copy.read_text())
    assert os.access(words[0], os.X_OK)
    assert Path(sys.executable).exists()


@pytest.mark.usefixtures("unmeasured")
def test_it_loads_little_as_a_client_waits_for_it() -> None:
    code = f"import sys; exec(open({launcher.__file__!r}).read(), {{'__name__': 'it'}}); print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(command, check=True, timeout=DEADLINE, capture_output=True, text=True).stdout.split()
    assert not {"json", "re", "typing", "ctypes", "subprocess", "asyncio"} & set(loaded)

"""What other users of a machine can read of processes: command lines show no secret, and children are handed none."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.commands import start_installed
from support.deadline import DEADLINE
from support.hub_process import HubProcess
from support.stack import Certificates

from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.node.keeper.asking import end_keeper

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")

BIN = Path(sys.executable).parent
BOX_TOKEN, ANN_PASSPHRASE = "token-of-the-box-2718", "passphrase-of-ann-3141"
SECRETS = (BOX_TOKEN, ANN_PASSPHRASE)


def shown(what: str) -> dict[int, bytes]:
    """What every process shows: its command line, or its environment."""
    found = {}
    for directory in Path("/proc").iterdir():
        try:
            found[int(directory.name)] = (directory / what).read_bytes()
        except (ValueError, OSError):
            continue
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Place:
    """A hub with a node that has a token, and a person with an encrypted key; all from environment and files."""

    def __init__(self, certificates: Certificates, tmp_path: Path, stack: ExitStack) -> None:
        self.tmp = tmp_path
        self._stack = stack
        key = tmp_path / "ann.key"
        made = Ed25519PrivateKey.generate()
        made.save(key, passphrase=ANN_PASSPHRASE.encode())
        keys, grants = tmp_path / "authorized_keys", tmp_path / "grants"
        keys.write_text(f"ann {made.public_key.to_base64()} admin\n")
        grants.write_text(f"box:{BOX_TOKEN}:node\n")
        hub = HubProcess(
            certificates, tmp_path / "hub", "--authorized-keys", str(keys), "--grant-token-file", str(grants)
        )
        hub.grants, hub.starter = (), start_installed
        hub.start_and_wait()
        stack.callback(hub.kill)
        shared = {"OMNYSHELL_HUB": f"wss://127.0.0.1:{hub.port}", "OMNYSHELL_CA": str(certificates.ca)}
        self.box = shared | {"OMNYSHELL_PRINCIPAL": "box", "OMNYSHELL_TOKEN": BOX_TOKEN}
        self.ann = shared | {
            "OMNYSHELL_PRINCIPAL": "ann", "OMNYSHELL_KEY": str(key), "OMNYSHELL_KEY_PASSPHRASE": ANN_PASSPHRASE,
        }  # fmt: skip

    def start(self, program: str, *words: str, env: dict[str, str], **options: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [BIN / program, *words],
            env={**os.environ, "OMNYSHELL_HOME": str(self.tmp / "home"), **env},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        )  # fmt: skip
        self._stack.callback(process.communicate)
        self._stack.callback(process.terminate)
        return process

    def run(self, *words: str, env: dict[str, str]) -> str:
        done = self.start("omnyshell", *words, env=env)
        out, err = done.communicate(timeout=DEADLINE)
        assert done.returncode == 0, err
        return out


@pytest.fixture
def place(certificates: Certificates, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(certificates, tmp_path, stack)
    end_keeper(tmp_path / "home/state/nodes/box")


def assert_no_command_line_shows_a_secret() -> None:
    for pid, line in shown("cmdline").items():
        assert not any(secret.encode() in line for secret in SECRETS), (pid, line)


def test_no_process_shows_a_secret_and_no_child_has_one(place: Place) -> None:
    place.start("omnyshell", "node", "start", "--run-as-node-user", "--id", "box", env=place.box)
    until(lambda: "box" in place.run("nodes", "list", env=place.ann))
    env = place.run("exec", "box", "env; cat /proc/self/environ", env=place.ann)
    assert "PATH=" in env
    assert "OMNYSHELL_" not in env
    waiting = place.start("omnyshell", "exec", "box", "echo up; sleep 61.25", env=place.ann)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "up\n"
    web = place.start("omnyshell-console", "--web", env=place.ann)
    assert web.stdout is not None
    assert "http://127.0.0.1" in web.stdout.readline()
    assert_no_command_line_shows_a_secret()
    sleepers = [pid for pid, line in shown("cmdline").items() if line == b"sleep\x0061.25\x00"]
    assert sleepers
    for pid in sleepers:
        assert b"OMNYSHELL_" not in (Path("/proc") / str(pid) / "environ").read_bytes()


def test_what_serves_in_the_background_has_not_the_secrets_of_who_started_it(place: Place) -> None:
    try:
        place.run("up", "--background", "--port", "0", env={**place.ann, **place.box})
        servers = [pid for pid, line in shown("cmdline").items() if b"omnyshell.cli.local.server" in line]
        own = f"OMNYSHELL_HOME={place.tmp / 'home'}".encode()
        found = [env for pid in servers if own in (env := (Path("/proc") / str(pid) / "environ").read_bytes())]
        assert found
        assert not [env for env in found if any(secret.encode() in env for secret in SECRETS)]
    finally:
        place.run("down", env={})

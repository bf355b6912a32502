"""What most tests fork instead of starting it (`support/commands.py`) is what the installed program is."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.commands import start_command, start_installed
from support.deadline import DEADLINE
from support.stack import Certificates

Starter = Callable[..., "subprocess.Popen[bytes]"]
BOTH = (start_installed, start_command)
PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def outcome(start: Starter, *words: str, stdin: bytes = b"", **options: Any) -> tuple[int, bytes, bytes]:
    with start(*words, **PIPES, **options) as process:
        said, complained = process.communicate(stdin, DEADLINE)
    return process.returncode, said, complained


@pytest.mark.parametrize(
    ("words", "env", "stdin"),
    [
        ("--version", {}, b""),
        ("nodes", {}, b""),
        ("no-such-command \udcff", {}, b""),
        ("keygen --out there/key --passphrase-file /dev/stdin", {}, b"short\n"),
        ("whoami", {"OMNYSHELL_HUB": "wss://127.0.0.1:1", "OMNYSHELL_PRINCIPAL": "é", "OMNYSHELL_TOKEN": "t"}, b""),
        ("node check --allow-command id id", {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}, b""),
    ],
)
def test_both_say_the_same(words: str, env: dict[str, str], stdin: bytes, tmp_path: Path) -> None:
    installed, forked = (
        outcome(start, *words.split(), stdin=stdin, env=os.environ | env, cwd=tmp_path) for start in BOTH
    )
    assert installed == forked
    assert any(installed[1:])


@pytest.mark.parametrize("start", BOTH)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_service_hears_signals(
    start: Starter, number: signal.Signals, code: int, certificates: Certificates, tmp_path: Path
) -> None:
    pair = ("--cert", str(certificates.cert), "--key", str(certificates.key))
    words = ("hub", "start", "--port", "0", "--state-dir", str(tmp_path), "--grant-token", "a:b:admin", *pair)
    with start(*words, **PIPES, start_new_session=True, cwd=tmp_path, umask=0o031) as hub:
        assert hub.stdout is not None
        assert hub.stdout.readline().startswith(b"hub listens on ")
        assert os.getsid(hub.pid) == hub.pid
        assert Path(f"/proc/{hub.pid}/cwd").resolve() == tmp_path
        assert "Umask:\t0031" in Path(f"/proc/{hub.pid}/status").read_text()
        assert hub.poll() is None
        hub.send_signal(number)
        assert hub.wait(DEADLINE) == code
    assert not Path(f"/proc/{hub.pid}").exists()


@pytest.mark.parametrize("start", BOTH)
def test_nobody_else_holds_its_streams(start: Starter) -> None:
    waiting = ("keygen", "--out", "key", "--passphrase-file", "/dev/stdin")
    with start(*waiting, **PIPES) as first, start(*waiting, **PIPES) as second:
        first.kill()
        assert first.stdout is not None
        assert first.stdout.read() == b""
        assert second.poll() is None
        second.kill()

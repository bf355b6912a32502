"""What listens at a node in place of an agent, by itself."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.raw_admin import fields

from omnyshell.services.node.agents import launcher


@contextmanager
def launched(**constants: float) -> "Iterator[subprocess.Popen[bytes]]":
    """Start it, with other constants."""
    text = Path(launcher.__file__).read_text(encoding="utf-8")
    for name, value in constants.items():
        before = f"{name} = {getattr(launcher, name)}"
        assert before in text
        text = text.replace(before, f"{name} = {value}")
    words = [sys.executable, "-I", "-S", "-c", text]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            yield process
        finally:
            process.terminate()


def heard(process: "subprocess.Popen[bytes]") -> tuple[int, bytes]:
    assert process.stdout is not None
    head = _exactly(process, 8)
    return int.from_bytes(head[:4], "big"), _exactly(process, int.from_bytes(head[4:], "big"))


def _exactly(process: "subprocess.Popen[bytes]", size: int) -> bytes:
    assert process.stdout is not None
    data = b""
    while len(data) < size:
        piece = process.stdout.read(size - len(data))
        assert piece
        data += piece
    return data


def say(process: "subprocess.Popen[bytes]", number: int, body: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(number.to_bytes(4, "big") + len(body).to_bytes(4, "big") + body)


def connected(path: bytes) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(DEADLINE)
    sock.connect(os.fsdecode(path))
    return sock


def test_requests_go_out_one_at_a_time_and_answers_come_back() -> None:
    with launched() as process:
        number, path = heard(process)
        directory = Path(os.fsdecode(path)).parent
        assert (number, directory.stat().st_mode & 0o777) == (0, 0o700)
        with connected(path) as one, connected(path) as other:
            one.sendall(fields(b"first") + fields(b"second"))
            assert heard(process) == (1, b"first")
            other.sendall(fields(b"third"))
            assert heard(process) == (2, b"third")
            # Answers to nobody, or to nothing, are dropped.
            say(process, 9, b"late")
            say(process, 2, b"3")
            say(process, 2, b"again")
            assert other.recv(99) == fields(b"3")
            say(process, 1, b"1")
            assert one.recv(99) == fields(b"1")
            assert heard(process) == (1, b"second")
            # The client has no agent any more.
            say(process, 1, b"")
            assert heard(process) == (1, b"")
            assert one.recv(99) == fields(b"\x05")
            assert one.recv(99) == b""
        assert heard(process) == (2, b"")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(DEADLINE) == 0
        assert not directory.exists()


def test_a_request_that_nobody_answers_fails() -> None:
    with launched(PATIENCE=0.05) as process:
        _, path = heard(process)
        with connected(path) as sock:
            sock.sendall(fields(b"first"))
            assert heard(process) == (1, b"first")
            assert sock.recv(99) == fields(b"\x05")
            assert sock.recv(99) == b""
            assert heard(process) == (1, b"")


def test_who_takes_no_answer_is_asked_for_nothing_more() -> None:
    with launched() as process:
        _, path = heard(process)
        with connected(path) as sock, connected(path) as other:
            sock.sendall(fields(b"first") + fields(b"second"))
            assert heard(process) == (1, b"first")
            # More than the socket holds.
            answer = bytes(launcher.LARGEST)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < len(answer)
            say(process, 1, answer)
            other.sendall(fields(b"third"))
            assert heard(process) == (2, b"third")
            taken = 0
            while taken < len(answer) + 4:
                taken += len(sock.recv(1 << 20))
            assert heard(process) == (1, b"second")


@pytest.mark.parametrize("ending", ["SIGHUP", "SIGTERM", "too much"])
def test_it_leaves_nothing(ending: str) -> None:
    with launched() as process:
        _, path = heard(process)
        assert process.stdin is not None
        if ending == "too much":
            process.stdin.write(b"\0\0\0\1" + (256 * 1024 + 1).to_bytes(4, "big"))
        else:
            process.send_signal(signal.Signals[ending])
        assert process.wait(DEADLINE) == 0
        assert not Path(os.fsdecode(path)).parent.exists()

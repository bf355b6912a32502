"""What serves files, as a process: beside OpenSSH's own client, a full disk, and clients that take what they can."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.sftp_peer import (
    CLOSE,
    CREATING,
    CUTTING,
    DATA,
    FAILURE,
    FOR_READING,
    FOR_WRITING,
    INIT,
    NO_ATTRS,
    OK,
    OPEN,
    OPENDIR,
    READ,
    READDIR,
    WRITE,
    served_files,
    text,
    u32,
    u64,
)  # fmt: skip
from support.small_disks import small_disk

from omnyshell.services.node.files.child.adapter import MOST_HANDLES
from omnyshell.services.node.files.child.open_file import MOST_READ
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.files.program import program
from omnyshell.services.node.files.service import FileService

MOST_MEMORY = 32
"""MiB: it takes 18, of which the interpreter has 8."""


def memory(process: "subprocess.Popen[bytes]") -> float:
    """The most that it has had, in MiB."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def test_openssh_copies_files(tmp_path: Path) -> None:
    if shutil.which("sftp") is None:
        pytest.skip("ssh is not installed")
    data = os.urandom(3_000_000)
    (tmp_path / "a file").write_bytes(data)
    (tmp_path / "a file").chmod(0o640)
    os.utime(tmp_path / "a file", (1_000_000_000, 1_000_000_000))
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/deep/x").write_bytes(b"x")
    # Its words are split at blanks, of which there may be some on the way to where it lies.
    shutil.copy(program(is_of_others=False)[-1], tmp_path / "start.py")
    (tmp_path / "batch").write_text(
        'put -p "a file" there\nget -p there back\nput -R tree copied\nrename there moved\nget -R copied returned\n'
        "mkdir new\nrmdir new\nln moved other\nchmod 600 other\nls -la\ndf\nrm other\nput tree/deep/x moved.part\n"
    )
    env = dict(os.environ) | dict(FileService(FilesPolicy((str(tmp_path),))).variables())
    command = ["sftp", "-q", "-b", str(tmp_path / "batch"), "-D", f"{sys.executable} -I -S {tmp_path}/start.py"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (0, b""), done
    assert (tmp_path / "moved").read_bytes() == (tmp_path / "back").read_bytes() == data
    for name in ("moved", "back"):
        facts = (tmp_path / name).stat()
        assert (facts.st_mtime, facts.st_mode & 0o777) == (1_000_000_000, 0o600 if name == "moved" else 0o640)
    assert (tmp_path / "returned/deep/x").read_bytes() == b"x"
    assert (tmp_path / "moved.part").exists()
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 600) as disk, served_files(cwd=disk) as peer:
        assert peer.put(b"kept", b"kept").code == OK
        handle = text(peer.open(b"large", FOR_WRITING | CREATING | CUTTING))
        said = [peer.ask(WRITE, handle, u64(number * MOST_READ), text(bytes(MOST_READ))) for number in range(4)]
        assert [each.code for each in said] == [OK, OK, FAILURE, FAILURE]
        assert said[-1].why == "No space left on device"
        assert peer.ask(CLOSE, handle).code == OK
        assert peer.get(b"kept") == b"kept"


def test_a_limit_on_the_size_of_files_is_told(tmp_path: Path) -> None:
    with served_files(cwd=tmp_path, preexec_fn=_limit_files) as peer:
        said = peer.put(b"file", bytes(100_000))
        assert (said.code, said.why) == (FAILURE, "File too large")


def _limit_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


def test_who_reads_no_answers_is_waited_for_and_costs_nothing(tmp_path: Path) -> None:
    """It sends what it can: as much is taken as two pipes and a block hold."""
    (tmp_path / "file").write_bytes(os.urandom(MOST_READ))
    with served_files(cwd=tmp_path) as peer:
        assert peer.process.stdin is not None
        handle = text(peer.open(b"file"))
        request = text(bytes([READ]) + u32(7) + handle + u64(0) + u32(0xFFFFFFFF))
        os.set_blocking(peer.process.stdin.fileno(), False)
        sent = 0
        with suppress(BlockingIOError):
            while sent < 1 << 20:
                sent += os.write(peer.process.stdin.fileno(), request * 100)
        assert sent < 1 << 20
        for _ in range(100):
            assert peer.answer()[1].kind == DATA
        assert memory(peer.process) < MOST_MEMORY


def test_large_directories_blocks_and_many_handles_take_no_memory(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    for number in range(2000):
        os.link(tmp_path / "file", tmp_path / f"directory/{number}{'x' * 200}")
    with served_files([tmp_path], cwd=tmp_path) as peer:
        first = memory(peer.process)
        handle = text(peer.open(b"new", FOR_READING | FOR_WRITING | CREATING))
        for number in range(40):
            peer.request(WRITE, handle, u64(number * MOST_READ), text(bytes(MOST_READ)))
        assert [peer.answer()[1].code for _ in range(40)] == [OK] * 40
        for _ in range(2):
            assert len(peer.listed(b"directory")) == 2000
        opened = [peer.ask(OPENDIR, text(b"directory")).data for _ in range(MOST_HANDLES - 1)]
        for each in opened[:50]:
            assert len(peer.ask(READDIR, text(each)).names) == 128
        assert peer.ask(OPEN, text(b"file"), u32(FOR_READING), NO_ATTRS).code == FAILURE
        # The C library reads 32 KiB of a directory at a time.
        assert memory(peer.process) < first + 4 + 50 * 32 / 1024


def test_what_is_no_sftp_ends_it_with_a_sentence(tmp_path: Path) -> None:
    with served_files(cwd=tmp_path) as peer:
        peer.send(b"GET / HTTP/1.1\r\n\r\n")
        assert peer.process.wait(DEADLINE) == 255
        assert peer.process.stderr is not None
        assert peer.process.stderr.read() == b"omnyshell: a request of 1195725856 bytes is too long: this is no SFTP\n"


def test_its_client_may_leave_at_any_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(MOST_READ))
    for is_amid in (False, True):
        with served_files(cwd=tmp_path) as peer:
            if is_amid:
                peer.request(READ, text(peer.open(b"file")), u64(0), u32(MOST_READ))
                peer.send(text(bytes([INIT]))[:3])
                assert peer.process.stdout is not None
                peer.process.stdout.close()
            assert peer.end() == 0
            assert peer.process.stderr is not None
            assert peer.process.stderr.read() == b""


def test_a_user_who_may_not_read_what_it_takes_is_told_what_to_do(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    said = dict(FileService(FilesPolicy()).variables())
    said["OMNYSHELL_FILES"] = re.sub(r'"child": "[^"]*"', f'"child": "{hidden}/child"', said["OMNYSHELL_FILES"])
    done = subprocess.run(
        program(is_of_others=True),
        env=dict(os.environ) | said,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"install OmnyShell for all there" in done.stderr
    assert f"{hidden}/child".encode() in done.stderr
    assert done.stderr.count(b"\n") == 1

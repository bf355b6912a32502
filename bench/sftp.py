"""What serves files beside OpenSSH's sftp-server, taken in turns: `python -m bench.sftp`. Needs the extra `files`.

Both are processes whose pipes this one holds, so that nothing else is measured: neither hub nor node, and no way to
them. Of each figure the table has the median of all rounds, and the median of the rounds' ratios.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.idle_peers import processor_seconds
from omnyshell.services.node.files.child.open_file import MOST_READ
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.files.program import program
from omnyshell.services.node.files.service import FileService

from support.sftp_peer import (  # isort: skip
    CLOSE, CREATING, CUTTING, EXTENDED, FOR_READING, FOR_WRITING, FSETSTAT, LSTAT, NO_ATTRS, OPEN, READ, WRITE,
    SftpPeer, text, u32, u64,
)  # fmt: skip

OURS, BENEATH, OPENSSH = "OmnyShell", "beneath a root", "sftp-server"
PLACES = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server")
FILES, BLOCKS = 2000, 2000
BLOCK = bytes(MOST_READ)


@contextmanager
def served(who: str, place: Path) -> Iterator[SftpPeer]:
    policy = FilesPolicy((str(place),) if who == BENEATH else ())
    env = dict(os.environ) | dict(FileService(policy).variables())
    command = program(is_of_others=False) if who != OPENSSH else [next(filter(os.path.exists, PLACES))]
    with subprocess.Popen(command, stdin=-1, stdout=-1, env=env, cwd=place) as process:
        peer = SftpPeer(process)
        peer.begin()
        yield peer
        peer.end()


def answers(peer: SftpPeer, count: int, requests: Callable[[], None]) -> None:
    """Say requests, and read their answers meanwhile."""
    saying = threading.Thread(target=requests)
    saying.start()
    for _ in range(count):
        peer.answer()
    saying.join()


def write(peer: SftpPeer, handle: bytes) -> None:
    def say() -> None:
        for number in range(BLOCKS):
            peer.request(WRITE, handle, u64(number * MOST_READ), text(BLOCK))

    answers(peer, BLOCKS, say)


def read(peer: SftpPeer, handle: bytes) -> None:
    def say() -> None:
        for number in range(BLOCKS):
            peer.request(READ, handle, u64(number * MOST_READ), u32(MOST_READ))

    answers(peer, BLOCKS, say)


def small_files(peer: SftpPeer, place: Path) -> None:
    """Make files as a copy does: under another name, with their permissions, and renamed."""
    for number in range(FILES):
        name, part = (text(os.fsencode(place / f"{number}{end}")) for end in ("", ".part"))
        handle = text(peer.ask(OPEN, part, u32(FOR_WRITING | CREATING), NO_ATTRS).data)
        peer.request(WRITE, handle, u64(0), text(BLOCK[:4096]))
        peer.request(FSETSTAT, handle, u32(4, 0o644))
        peer.request(CLOSE, handle)
        peer.request(EXTENDED, text(b"posix-rename@openssh.com"), part, name)
        for _ in range(4):
            peer.answer()


def looks(peer: SftpPeer, place: Path) -> None:
    def say() -> None:
        for number in range(FILES):
            peer.request(LSTAT, text(os.fsencode(place / str(number))))

    answers(peer, FILES, say)


def measure(who: str, place: Path) -> dict[str, float]:
    """Return processor time in s and µs, MB/s, and MiB."""
    figures = {}

    def timed(name: str, count: float, do: Callable[[], None]) -> float:
        before, began = processor_seconds(peer.process.pid), time.perf_counter()
        do()
        took = time.perf_counter() - began
        figures[name] = (processor_seconds(peer.process.pid) - before) / count
        return took

    size = BLOCKS * MOST_READ / 1e9
    with served(who, place) as peer:
        figures["start, ms of processor time"] = 1000 * processor_seconds(peer.process.pid)
        handle = text(peer.open(b"large", FOR_READING | FOR_WRITING | CREATING | CUTTING))
        took = timed("write, s of processor time for a GB", size, lambda: write(peer, handle))
        figures["write, MB/s"] = 1000 * size / took
        took = timed("read, s of processor time for a GB", size, lambda: read(peer, handle))
        figures["read, MB/s"] = 1000 * size / took
        peer.ask(CLOSE, handle)
        (place / "small").mkdir()
        timed("a file of 4 KiB, ms of processor time", FILES / 1000, lambda: small_files(peer, place / "small"))
        timed("a look at a file, ms of processor time", FILES / 1000, lambda: looks(peer, place / "small"))
        status = Path(f"/proc/{peer.process.pid}/status").read_text().split("VmHWM:")[1]
        figures["memory, MiB"] = int(status.split()[0]) / 1024
    shutil.rmtree(place / "small")
    (place / "large").unlink()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        found = [{who: measure(who, Path(place)) for who in (OURS, BENEATH, OPENSSH)} for _ in range(rounds)]
    for name in found[0][OURS]:
        of = {who: [each[who][name] for each in found] for who in found[0]}
        pairs = [a / b for a, b in zip(of[OURS], of[OPENSSH], strict=True) if b]
        print(f"{name}: " + ", ".join(f"{who} {statistics.median(all_):.3g}" for who, all_ in of.items()), end="")
        print(f"; {statistics.median(pairs):.2f} of {OPENSSH}" if pairs else "")


if __name__ == "__main__":
    main()

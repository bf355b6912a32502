"""`omnyshell cp` beside `scp -J`: `python -m bench.files [MEBIBYTES] [FILES]`. Needs `sshd`, `ssh`; extra `files`.

What is copied is noise, as blocks of nothing are not sent. Copies of small files are kept to the end: ext4 makes files
several times slower where as many have been removed within the last seconds.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.costs import Cost, compare, cost
from bench.peers import Hub, OpenSsh, hub_with_node, open_ssh

MIB = 1 << 20
SMALL = 4096


class Copies:
    """Copies by either program, into a place that is empty before each."""

    def __init__(self, hub: Hub, ssh: OpenSsh, scratch: Path) -> None:
        self._hub, self._ssh, self._scratch = hub, ssh, scratch

    def turns(self, source: str, way: str) -> dict[str, Callable[[], Cost]]:
        return {
            "omnyshell cp": lambda: self._cost("n1", source, way),
            "scp -J": lambda: self._cost("jump", source, way),
        }

    def _cost(self, host: str, source: str, way: str) -> Cost:
        into = Path(tempfile.mkdtemp(dir=self._scratch))
        here, there = str(self._scratch / source), str(into / source)
        ends = [here, f"{host}:{there}"] if way == "up" else [f"{host}:{here}", there]
        if host == "n1":
            copied = cost(self._hub.omnyshell("cp", *ends), self._hub.env, (self._hub.pid, self._hub.node_pid))
        else:
            copied = cost(["scp", "-q", "-r", "-F", str(self._ssh.config), *ends], None, (self._ssh.pid,))
        if source == "large":
            shutil.rmtree(into)
        return copied


def main() -> None:
    """Measure one large file, many small ones, and a cold copy of a kibibyte."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mebibytes", nargs="?", type=int, default=1024)
    parser.add_argument("files", nargs="?", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        places = [Path(scratch, name) for name in ("ssh", "hub", "files")]
        for place in places:
            place.mkdir()
        make(places[2], options.mebibytes, options.files)
        jump = stack.enter_context(open_ssh(places[0]))
        hub = stack.enter_context(hub_with_node(places[1]))
        copies = Copies(hub, jump, places[2])
        print(f"{os.cpu_count()} cores")
        for way in ("up", "down"):
            title = f"{options.mebibytes} MiB {way}, MiB/s"
            compare(title, copies.turns("large", way), options.rounds, options.mebibytes, 1.2)
            title = f"{options.files} files of {SMALL} bytes {way}, files a second"
            compare(title, copies.turns("small", way), options.rounds, options.files, 3)
            compare(f"1 KiB {way}, cold, copies a second", copies.turns("one", way), 10, 1, 1 / 1.2)


def make(directory: Path, mebibytes: int, files: int) -> None:
    """Make what is copied."""
    noise = os.urandom(MIB)
    with (directory / "large").open("wb") as file:
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "big") + noise[8:])
    (directory / "one").write_bytes(noise[:1024])
    (directory / "small").mkdir()
    for number in range(files):
        (directory / "small" / f"file-{number}").write_bytes(noise[number : number + SMALL])


if __name__ == "__main__":
    main()

"""A machine with Debian and systemd: a container of `systemd-nspawn`, whose disk is thrown away.

The system is laid down once, by debootstrap, in the user's cache; a machine writes over it in memory. It has no network
but its own loopback.
"""

import os
import platform
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.system import until

NEEDED = ("debootstrap", "systemd-nspawn", "nsenter")
INCLUDED = "adduser,dbus,libpam-systemd,procps,python3,systemd,systemd-sysv"
ENV = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "OMNYSHELL_NO_PROMPT=1")
GROUPS = [Path("/sys/fs/cgroup", name) for name in ("", "unified", "systemd")]
"""Where control groups may be mounted that a system in a container makes its own in."""

HALT = signal.SIGRTMIN + 4
"""Has the container's systemd power off."""

LONG = 600
"""Seconds that laying the system down may take."""


def base_system() -> Path:
    """Return the directory of a system of this machine's own release. Skips the test where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a machine in a container")
    for program in NEEDED:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    release = platform.freedesktop_os_release()
    if release["ID"] != "debian":
        pytest.skip("there is no Debian here")
    name = release["VERSION_CODENAME"]
    # Not below HOME, which is each run's own.
    cache = Path(pwd.getpwuid(os.geteuid()).pw_dir, ".cache/omnyshell")
    place, making = cache / f"debian-{name}", cache / f"debian-{name}.{os.getpid()}"
    if not place.exists():
        making.mkdir(parents=True)
        words = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", name, making]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=LONG)
        (making / "etc/hosts").write_text("127.0.0.1 localhost\n")
        making.rename(place)
    return place


@dataclass
class Machine:
    """A machine that runs; what is run in it is root's."""

    init: int
    """Its first process, as this machine numbers it."""

    def start(self, *words: object, **options: Any) -> "subprocess.Popen[str]":
        """Start a program."""
        into = ["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd=/"]
        return subprocess.Popen([*into, *ENV, *map(str, words)], text=True, **options)

    def try_(self, *words: object, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a program to its end."""
        pipe = subprocess.PIPE
        with self.start(*words, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            try:
                said, complained = process.communicate(stdin, DEADLINE)
            finally:
                end(process)
        return subprocess.CompletedProcess([*words], process.returncode, said, complained)

    def run(self, *words: object, stdin: str = "") -> str:
        """Run a program that has to succeed, and return what it printed."""
        done = self.try_(*words, stdin=stdin)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        self.run("sh", "-c", 'cat >"$1"', "sh", path, stdin=text)

    def unit(self, name: str, what: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", f"--property={what}", "--value", name).strip()


@contextmanager
def machine(base: Path, shared: Path) -> Iterator[Machine]:
    """Start a machine, whose directory /shared is a directory of this one, and wait until it is up."""
    words = [
        *("systemd-nspawn", "--quiet", "--boot", f"--directory={base}", "--volatile=overlay", "--private-network"),
        *("--register=no", "--keep-unit", f"--machine=omnyshell-{os.getpid()}", f"--bind-ro={shared}:/shared"),
    ]
    null, group = subprocess.DEVNULL, f"omnyshell-test-{os.getpid()}"
    groups = [place / group for place in GROUPS if (place / "cgroup.procs").exists()]
    for place in groups:
        place.mkdir(exist_ok=True)
    entering = "".join(f"echo $$ >{place}/cgroup.procs && " for place in groups) + 'exec "$@"'
    said = shared / "machine.log"
    with (
        said.open("w") as log,
        subprocess.Popen(["sh", "-c", entering, "sh", *words], stdin=null, stdout=log, stderr=log) as process,
    ):
        try:
            until(lambda: bool(_init_of(process)) or process.poll() is not None)
            assert process.poll() is None, said.read_text()
            started = Machine(_init_of(process))
            until(lambda: started.try_("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"))
            yield started
            os.kill(started.init, HALT)
            process.wait(DEADLINE)
        finally:
            end(process)
            process.wait()
            for place in groups:
                _remove(place)


def end(process: "subprocess.Popen[Any]") -> None:
    """End a program in a machine, or the machine: what was started here only waits for it."""
    for child in _children(process):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    process.kill()


def _remove(group: Path) -> None:
    """Remove a control group with those below it, as soon as nothing runs there."""

    def is_gone() -> bool:
        for place in (*reversed([*group.rglob("*/")]), group):
            with suppress(OSError):
                place.rmdir()
        return not group.exists()

    until(is_gone)


def _init_of(process: "subprocess.Popen[bytes]") -> int:
    """The container's first process, once it is systemd; 0 before."""
    names = {child: Path(f"/proc/{child}/comm").read_text().strip() for child in _children(process)}
    return next((child for child, name in names.items() if name == "systemd"), 0)


def _children(process: "subprocess.Popen[Any]") -> list[int]:
    if process.poll() is not None:
        return []
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]

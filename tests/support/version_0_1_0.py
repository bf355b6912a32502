"""Version 0.1.0 as programs, made from its commit; and a site whose hub, node and people run either version."""

import compileall
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.commands import start_program
from support.deadline import DEADLINE
from support.ports import free_range
from support.registered import until_registered
from support.stack import GRANTS, Certificates

from omnyshell import Ed25519PrivateKey

COMMIT = "f1fd074c128edbc2219d69dd154e5a036b45d9d5"
REPOSITORY = Path(__file__).resolve().parents[2]
NEW = Path(sys.executable).parent
"""Where the program of this checkout is; a version is a directory with `omnyshell` in it."""

_STARTER = """#!/bin/sh
PYTHONPATH='{source}' PYTHONSAFEPATH=1 exec '{python}' -c 'import sys
from omnyshell.cli.main import main
sys.exit(main())' "$@"
"""


def build(directory: Path, place: Path) -> None:
    """Make the `omnyshell` of 0.1.0, to be moved to its place; skips the test where the history does not have it."""
    archive = subprocess.run(["git", "-C", str(REPOSITORY), "archive", COMMIT, "omnyshell"], capture_output=True)
    if archive.returncode:
        pytest.skip(f"this checkout has no history back to version 0.1.0: {archive.stderr.decode().strip()}")
    source, program = directory / "source", directory / "bin" / "omnyshell"
    source.mkdir()
    program.parent.mkdir()
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    # Each of its many starts would compile it otherwise, where Python may not keep what it compiles.
    compileall.compile_dir(source, quiet=2)
    program.write_text(_STARTER.format(source=place / "source", python=sys.executable))
    program.chmod(0o755)


def built_once(factory: pytest.TempPathFactory) -> Path:
    """Return what `build` makes, which one of the workers of a run does for all."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / "version-0.1.0.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = root / "version-0.1.0"
        if not place.exists():
            making = Path(tempfile.mkdtemp(dir=root, prefix="version-0.1.0-"))
            build(making, place)
            making.rename(place)
    return place / "bin"


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes bring about."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@dataclass
class Person:
    """A home directory, and the version that is used from it."""

    home: Path
    version: Path

    @property
    def env(self) -> dict[str, str]:
        hidden = ("OMNYSHELL_",) if self.version == NEW else ("OMNYSHELL_", "COVERAGE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        own = {
            "OMNYSHELL_HOME": str(self.home),
            "OMNYSHELL_NO_PROMPT": "1",
            "SHELL": "/bin/bash",
            "HOME": str(self.home),
        }
        return {**kept, **own, "PATH": f"{self.version}:{os.environ['PATH']}"}

    def try_(self, *words: str) -> "subprocess.CompletedProcess[str]":
        with self.running(*words) as process:
            said, complained = process.communicate(timeout=DEADLINE)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)

    def run(self, *words: str) -> str:
        done = self.try_(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))

    @contextmanager
    def running(self, *words: str) -> "Iterator[subprocess.Popen[str]]":
        """A program, ended afterwards."""
        source = None if self.version == NEW else self.version.parent / "source"
        process = start_program(
            str(self.version / "omnyshell"), *words, source=source,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE)


@dataclass
class Site:
    """The files of a hub, a node `n1` and a person `ann`, all with keys."""

    certificates: Certificates
    directory: Path
    old: Path
    port: int = 0
    keys: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lines = []
        for name, role in (("ann", "admin"), ("box", "node")):
            key, self.keys[name] = Ed25519PrivateKey.generate(), self.directory / f"{name}.key"
            key.save(self.keys[name])
            lines.append(f"{name} {key.public_key.to_base64()} {role}\n")
        (self.directory / "authorized_keys").write_text("".join(lines))
        self.ports = free_range(9)
        self.port = self.ports.first

    @property
    def url(self) -> str:
        return f"wss://127.0.0.1:{self.port}"

    @contextmanager
    def hub(self, version: Path, *more: str) -> Iterator[None]:
        """The hub, always at the same address with the same state; its port lies beside those of tunnels."""
        certificates, tunnels = self.certificates, f"{self.port + 1}-{self.ports.last}"
        words = [
            *("--host", "127.0.0.1", "--port", str(self.port), "--state-dir", str(self.directory / "hub")),
            *("--cert", str(certificates.cert), "--key", str(certificates.key), "--tunnel-port-range", tunnels),
            *("--authorized-keys", str(self.directory / "authorized_keys"), "--log-level", "error"),
            *("--grant-token", GRANTS[0], *more),
        ]
        with Person(self.directory / "operator", version).running("hub", "start", *words) as process:
            assert process.stdout is not None
            assert "hub listens" in process.stdout.readline()
            yield

    def person(self, name: str, version: Path) -> Person:
        return Person(self.directory / name, version)

    def login(self, principal: str = "ann") -> list[str]:
        """The words that say who logs in, and how."""
        key, ca = str(self.keys[principal]), str(self.certificates.ca)
        return ["--hub", self.url, "--principal", principal, "--key", key, "--ca", ca]

    def node_words(self, *more: str) -> list[str]:
        state = str(self.directory / "node")
        return ["node", "start", "--id", "n1", "--state-dir", state, "--log-level", "error", *self.login("box"), *more]

    def until_registered(self, *node_ids: str, lives: Callable[[], bool] | None = None) -> None:
        """Wait for nodes, as one with a token: a key that is used in the new way is worth less in the old."""
        until_registered(self.certificates, self.port, *node_ids, lives=lives)

    @contextmanager
    def node(self, version: Path, *more: str) -> Iterator[None]:
        """The node, once it is registered; its state is the same each time."""
        as_root = ["--run-as-node-user", "--no-keeper"] if version == NEW else []
        with Person(self.directory / "box", version).running(*self.node_words(*as_root, *more)) as process:
            self.until_registered("n1", lives=lambda: process.poll() is None)
            yield

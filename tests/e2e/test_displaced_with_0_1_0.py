"""Two programs with one node id, of this version and of 0.1.0 in every mixture: they do not fight for it."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.stack import Certificates
from support.version_0_1_0 import NEW, Person, Site, built_once, until

from omnyshell import Ed25519PrivateKey

pytestmark = pytest.mark.timeout(240)

WATCHED = 12.0
"""Seconds in which two that fight would take the id from each other about five times."""


@pytest.fixture(scope="module", name="old")
def _old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory)


@pytest.fixture(name="stack")
def _stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("kinds", list(itertools.product(("old", "new"), repeat=2)), ids="-".join)
def test_two_programs_calm_down(
    certificates: Certificates, tmp_path: Path, old: Path, stack: ExitStack, kinds: tuple[str, str]
) -> None:
    versions = {"old": old, "new": NEW}
    site = Site(certificates, tmp_path, old)
    ann = Person(tmp_path / "ann", NEW)

    def displaced() -> int:
        records = ann.run("audit", "export", "--state-dir", str(tmp_path / "hub"), "--action", "node.displaced")
        found = [json.loads(line) for line in records.splitlines()]
        assert all("127.0.0.1 (" in record["detail"] and "->" in record["detail"] for record in found)
        return len(found)

    # Each has a key of its own: a key that has used this version's proof is good for no older one.
    second = Ed25519PrivateKey.generate()
    second.save(tmp_path / "second.key")
    with (tmp_path / "authorized_keys").open("a") as file:
        file.write(f"box {second.public_key.to_base64()} node\n")
    keys = (site.keys["box"], tmp_path / "second.key")
    stack.enter_context(site.hub(NEW))
    ann.run("login", *site.login())
    for number, kind in enumerate(kinds):
        person = Person(tmp_path / f"box-{number}", versions[kind])
        words = [*site.node_words(), "--state-dir", str(tmp_path / f"node-{number}"), "--key", str(keys[number])]
        stack.enter_context(person.running(*words))
        until(lambda: "n1" in ann.try_("nodes", "list").stdout)
    until(lambda: displaced() >= 1)
    end = time.monotonic() + WATCHED
    until(lambda: time.monotonic() > end)
    assert displaced() <= 3
    assert "n1" in ann.run("nodes", "list")

"""Two programs with one node id, of this version and of 0.1.0 in every mixture: they do not fight for it."""

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.stack import Certificates
from support.version_0_1_0 import NEW, Person, Site, built_once, until

from omnyshell import Ed25519PrivateKey

WATCHED = 12.0
"""Seconds in which two that fight would take the id from each other about five times."""


@pytest.fixture(scope="module", name="old")
def _old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory)


@pytest.fixture(name="stack")
def _stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_two_programs_calm_down(certificates: Certificates, tmp_path: Path, old: Path, stack: ExitStack) -> None:
    versions = {"old": old, "new": NEW}
    site = Site(certificates, tmp_path, old)
    ann = Person(tmp_path / "ann", NEW)

    def displaced() -> Counter[str]:
        words = ("audit", "export", "--state-dir", str(tmp_path / "hub"), "--action", "node.displaced")
        found = [json.loads(line) for line in ann.run(*words).splitlines()]
        assert all("127.0.0.1 (" in record["detail"] and "->" in record["detail"] for record in found)
        return Counter(record["nodeId"] for record in found)

    # All mixtures at once, as it is time alone that shows whether they fight.
    ids = {"-".join(kinds): kinds for kinds in itertools.product(versions, repeat=2)}
    for id_, number in itertools.product(ids, (0, 1)):
        # Each has a key of its own: a key that has used this version's proof is good for no older one.
        key = Ed25519PrivateKey.generate()
        key.save(tmp_path / f"{id_}-{number}.key")
        with (tmp_path / "authorized_keys").open("a") as file:
            file.write(f"box {key.public_key.to_base64()} node\n")
    stack.enter_context(site.hub(NEW))
    ann.run("login", *site.login())
    for number in (0, 1):
        for id_, kinds in ids.items():
            place = tmp_path / f"{id_}-{number}"
            words = ["node", "start", "--id", id_, "--state-dir", str(place / "node"), "--log-level", "error"]
            words += ["--hub", site.url, "--principal", "box", "--ca", str(certificates.ca), "--key", f"{place}.key"]
            stack.enter_context(Person(place, versions[kinds[number]]).running(*words))
        site.until_registered(*ids)
    until(lambda: all(displaced()[id_] >= 1 for id_ in ids))
    time.sleep(WATCHED)
    assert all(times <= 3 for times in displaced().values())
    assert all(id_ in ann.run("nodes", "list") for id_ in ids)

"""Limits by principal as programs of this version and of 0.1.0 meet them: they say which, and nodes come back."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from support.stack import Certificates
from support.version_0_1_0 import NEW, Person, Site, built_once, until


@pytest.fixture(scope="module", name="old")
def _old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory)


def config(site: Site, name: str, **limits: dict[str, int]) -> tuple[str, str]:
    """A file with limits by principal."""
    rows = [
        "\n".join((f'[[quotas]]\nprincipals = ["{who}"]', *(f"{key} = {value}" for key, value in mine.items())))
        for who, mine in limits.items()
    ]
    path = site.directory / f"{name}.toml"
    path.write_text("\n".join(rows))
    path.chmod(0o600)
    return "--config", str(path)


@pytest.mark.parametrize("version", ["old", "new"])
def test_programs_are_told_which_limit_they_met(
    certificates: Certificates, tmp_path: Path, old: Path, version: str
) -> None:
    site = Site(certificates, tmp_path, old)
    used = {"old": old, "new": NEW}[version]
    ann, exec_ = Person(tmp_path / "ann", used), ["exec", *site.login(), "n1", "true"]
    node = Person(tmp_path / "box", used)
    with ExitStack() as stack:
        with site.hub(NEW, *config(site, "none", ann={"sessions": 0}, box={"node-ids": 0})):
            more = ("--run-as-node-user", "--no-keeper") if version == "new" else ()
            running = stack.enter_context(node.running(*site.node_words(*more)))
            audit = ["audit", "list", "--state-dir", str(tmp_path / "hub"), "--json"]
            operator = Person(tmp_path / "operator", NEW)
            until(lambda: "limit 'node-ids'" in operator.try_(*audit).stdout)
            assert running.poll() is None
        with site.hub(NEW, *config(site, "no-sessions", ann={"sessions": 0})):
            # The node has gone on trying.
            site.until_registered("n1")
            assert "limit 'sessions'" in ann.try_(*exec_).stderr
        with site.hub(NEW, *config(site, "no-connections", ann={"connections": 0})):
            refused = ann.try_(*exec_)
            assert refused.returncode != 0
            assert "limit 'connections'" in refused.stderr
        with site.hub(NEW):
            site.until_registered("n1")
            assert ann.try_(*exec_).returncode == 0

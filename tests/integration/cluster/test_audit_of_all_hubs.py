"""`audit list --cluster`: what all hubs have recorded, asked over one of them, by the installed program."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.commands import run_text
from support.engine import Engine
from support.raw_admin import ADMIN, ask
from support.raw_peer import logged_in
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates

from omnyshell.security.authenticators import TokenAuthenticator, TokenGrant
from omnyshell.services.hub.audit import pages


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    async with two_hubs(certificates, tmp_path, engine, linked=True) as made:
        yield made


async def test_what_all_hubs_recorded_is_merged_by_time_and_who_could_not_be_asked_is_said(
    certificates: Certificates, hubs: Hubs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds: two hubs over their engine, and the program three times."""
    monkeypatch.setattr(pages, "MOST_READ", 3)
    (tmp_path / "token").write_text("admin-token\n")
    (tmp_path / "token").chmod(0o600)
    for number, hub in enumerate("abab"):
        async with logged_in(certificates, hubs.running[hub].port, "client", "admin", ADMIN) as admin:
            assert (await ask(admin, "admin.principal.add", principal=f"p{number}", roles=["dev"]))["ok"]
    words = ["audit", "list", "--cluster", "--hub", f"wss://127.0.0.1:{hubs.running['a'].port}", "--login", "admin"]
    words += ["--token-file", str(tmp_path / "token"), "--ca", str(certificates.ca)]
    ran = await asyncio.to_thread(run_text, *words, "--json", "--action", "principal.*")
    assert ran.returncode == 0, ran.stderr
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    found = [(each["hub"], each["detail"].split()[0]) for each in told]
    assert found == [("a", "early"), ("a", "p0"), ("b", "p1"), ("a", "p2"), ("b", "p3")]
    assert "admin.audit.page.request, over hub a" in [record.detail for record in hubs.running["b"].audit]
    await hubs.running["b"].stop()
    ran = await asyncio.to_thread(run_text, *words, "--principal", "admin", "--since", "1h")
    assert ran.returncode == 1
    assert "INCOMPLETE: hub 'b' was not read: hub 'b' cannot be reached" in ran.stderr
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["a"] * len(ran.stdout.splitlines()) != []
    refused = await asyncio.to_thread(run_text, "audit", "list", "--cluster", "--follow")
    assert "--follow goes with a hub on this machine" in refused.stderr


async def test_each_hub_decides_by_its_own_tables_who_may_read_its_audit(
    certificates: Certificates, hubs: Hubs
) -> None:
    """Seconds: a hub is started anew, with other files."""
    hubs.changed["b"]["authenticator"] = TokenAuthenticator([TokenGrant.parse("admin:other-token:dev")])
    await hubs.restart("b")
    await hubs.linked("a", "b")
    async with logged_in(certificates, hubs.running["a"].port, "client", "admin", ADMIN) as admin:
        for hub, code in (("b", "not_authorized"), ("c", "not_found")):
            refused = await ask(admin, "admin.audit.page.request", hub=hub, after=0)
            assert (refused["ok"], refused["code"]) == (False, code)
        own = await ask(admin, "admin.audit.page.request", "admin.audit.page.response", after=0)
        assert (own["hub"], own["hubs"], own["isLast"]) == ("a", ["a", "b"], True)
    denied = [record for record in hubs.running["b"].audit if record.outcome == "denied"]
    assert [(record.action, record.principal) for record in denied] == [("admin.audit.page.request", "admin")]

"""A state directory, and the audit trail in it, belong to one hub at a time."""

from pathlib import Path

import pytest
from support.raw_peer import logged_in
from support.stack import Certificates, hub_config

from omnyshell import ConfigException, OmnyShellHub, TransportException
from omnyshell.services.hub.audit.query import verify_trail
from omnyshell.services.hub.audit.store import load_audit_key
from omnyshell.services.hub.ground.state_names import AUDIT_FILE


async def test_a_second_hub_is_refused_and_leaves_the_first_as_it_was(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path)) as hub:
        with pytest.raises(ConfigException, match="another hub uses the state directory"):
            await OmnyShellHub(hub_config(certificates, state_dir=tmp_path)).start()
        async with logged_in(certificates, hub.port, "client", "admin", ("admin",)) as admin:
            await admin.say("admin.principal.add", {"requestId": "r", "principal": "eve"})
            assert (await admin.hear("admin.result"))["d"]["ok"]
    assert verify_trail(tmp_path / AUDIT_FILE, load_audit_key(tmp_path).public_key).findings == ()
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path)) as hub:
        # What was before is at hand.
        assert [record.action for record in hub.audit if "principal" in record.action or "hub" in record.action] == [
            "hub.start",
            "principal.add",
            "hub.stop",
            "hub.start",
        ]


async def test_what_a_hub_makes_is_for_its_user_alone(certificates: Certificates, tmp_path: Path) -> None:
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "a" / "b")):
        made = [path for path in tmp_path.rglob("*") if path.stat().st_mode & 0o077]
    assert made == []


async def test_a_hub_that_cannot_have_its_port_says_so_in_its_trail_and_gives_its_directory_free(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub:
        other = OmnyShellHub(hub_config(certificates, state_dir=tmp_path, port=hub.port))
        with pytest.raises(TransportException, match="in use"):
            await other.start()
        assert [(record.action, record.outcome) for record in other.audit] == [
            ("hub.start", "ok"),
            ("hub.stop", "error"),
        ]
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path)):
        pass
    assert verify_trail(tmp_path / AUDIT_FILE, load_audit_key(tmp_path).public_key).findings == ()

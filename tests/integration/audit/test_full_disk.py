"""A disk that is full, for real: what takes access away still works, and is audited."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.raw_peer import stranger
from support.small_disks import fill, small_disk
from support.stack import Certificates, access, hub_config, until

from omnyshell import OmnyShellHub
from omnyshell.errors import ErrorCodes
from omnyshell.protocol.messages.admin import PrincipalAdd, PrincipalRevoke, TokenAdd, TokenAdded
from omnyshell.services.client.admin import AdminClient, AdminRequestException
from omnyshell.services.hub.audit.disk_reserve import RESERVE_FILE, RESERVE_SIZE, DiskReserve
from omnyshell.services.hub.audit.query import AuditQuery, find_records, verify_trail
from omnyshell.services.hub.audit.store import AuditReader, load_audit_key
from omnyshell.services.hub.audit.witness import read_noted
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE

REVOKED = 25
DISK = 32
"""MiB of the disk that is filled."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    with small_disk(tmp_path / "disk", DISK * 1024) as place:
        yield place


def actions(state: Path) -> list[str]:
    with AuditReader(state / AUDIT_FILE) as reader:
        return [record.action for _, record in find_records(reader, AuditQuery())]


@asynccontextmanager
async def full(
    certificates: Certificates, disk: Path, principals: int
) -> AsyncIterator[tuple[OmnyShellHub, AdminClient, Path]]:
    """A hub with principals that an admin made, whose disk is full, and says so."""
    state = disk / "state"
    async with (
        OmnyShellHub(hub_config(certificates, state_dir=state)) as hub,
        AdminClient(access(certificates, hub.port, "admin")) as admin,
    ):
        for number in range(principals):
            await admin.do(PrincipalAdd(request_id="", principal=f"eve{number}"))
        filler = fill(disk)
        writer = hub.audit.writer
        assert writer is not None
        for number in range(4000):
            hub.audit.record("session.open", session_id=str(number), detail="x" * 500)
        await until(lambda: writer.is_failing)
        yield hub, admin, filler


async def test_revoking_works_on_a_full_disk_and_is_audited_and_the_rest_is_refused(
    certificates: Certificates, disk: Path
) -> None:
    state = disk / "state"
    async with full(certificates, disk, REVOKED) as (hub, admin, filler):
        with pytest.raises(AdminRequestException):
            await admin.do(PrincipalAdd(request_id="", principal="bob"))
        for number in range(REVOKED):
            await admin.do(PrincipalRevoke(request_id="", principal=f"eve{number}"))
            # Whoever fills the disk goes on with it.
            fill(disk)
        assert hub.audit.writer is not None
        assert hub.audit.writer.is_failing
        assert actions(state).count("principal.revoke") == REVOKED
        filler.unlink()
        await until(lambda: not hub.audit.writer.is_failing)  # type: ignore[union-attr]
        await until(lambda: (state / RESERVE_FILE).stat().st_size == RESERVE_SIZE)
        await admin.do(PrincipalAdd(request_id="", principal="bob"))
    found = actions(state)
    assert found.count("session.open") == 4000
    assert "audit.resumed" in found
    whole(state)
    async with OmnyShellHub(hub_config(certificates, state_dir=state)) as hub:
        assert hub.audit.gaps == []
        async with AdminClient(access(certificates, hub.port, "admin")) as admin:
            # None of those that were revoked is there again.
            with pytest.raises(AdminRequestException, match="no principal"):
                await admin.do(PrincipalRevoke(request_id="", principal="eve0"))


def whole(state: Path) -> None:
    noted = read_noted(state / STATE_FILE)
    report = verify_trail(state / AUDIT_FILE, load_audit_key(state).public_key, None, noted)
    assert report.findings == ()


async def test_who_is_revoked_on_a_full_disk_loses_what_it_has_open(certificates: Certificates, disk: Path) -> None:
    state = disk / "state"
    async with (
        OmnyShellHub(hub_config(certificates, state_dir=state)) as hub,
        AdminClient(access(certificates, hub.port, "admin")) as admin,
    ):
        await admin.do(PrincipalAdd(request_id="", principal="eve"))
        made = await admin.ask(TokenAdd(request_id="", principal="eve"), TokenAdded)
        async with stranger(certificates, hub.port) as eve:
            await eve.greet("client")
            await eve.say("auth.request", {"method": "token", "principal": "eve", "token": made.token})
            await eve.hear("auth.ok")
            fill(disk)
            await admin.do(PrincipalRevoke(request_id="", principal="eve"))
            assert (await eve.hear("error"))["d"]["code"] == ErrorCodes.AUTH_FAILED


async def test_a_hub_stops_on_a_full_disk_and_says_so(certificates: Certificates, disk: Path) -> None:
    state = disk / "state"
    async with full(certificates, disk, 1) as (_, _, filler):
        pass
    assert "hub.stop" in actions(state)
    assert actions(state)[-1] == "audit.head"
    # All that waited went into the room that nothing else needs any more.
    assert actions(state).count("session.open") == 4000
    whole(state)
    filler.unlink()
    async with OmnyShellHub(hub_config(certificates, state_dir=state)) as hub:
        assert hub.audit.gaps == []


def test_the_reserve_takes_its_room_and_gives_it_free_by_slices(disk: Path) -> None:
    reserve = DiskReserve(disk / "reserve")
    assert (disk / "reserve").stat().st_blocks * 512 >= RESERVE_SIZE
    fill(disk)
    assert reserve.is_short
    slices = 0
    while reserve.make_room():
        slices += 1
        fill(disk)
    assert slices == 64
    assert not reserve.refill()
    (disk / "filler").unlink()
    assert reserve.refill()
    assert reserve.is_whole


def test_a_reserve_that_finds_no_room_does_no_harm(disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(disk)
    reserve = DiskReserve(disk / "reserve")
    assert "no room" in caplog.text
    assert not reserve.release()
    assert not reserve.make_room()
    reserve.release_all()

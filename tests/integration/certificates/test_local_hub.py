"""The hub of this machine has both pairs, and makes them anew by itself before they end; keys and authorities stay."""

import asyncio
import shutil
import ssl
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.ports import free_range
from support.stack import until, within

from omnyshell import ClientConfig, OmnyShellClient, OmnyShellHub, UidComputer
from omnyshell.clock import SystemClock
from omnyshell.errors import CertGeneratorException, UntrustedHubException
from omnyshell.security.cert_generator import CA_LIFETIME, LEAF_LIFETIME, CertGenerator
from omnyshell.security.certificates import CertificateIdentity
from omnyshell.security.machine import MachineFacts
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.local.certificates import RENEWED_BEFORE, LocalCertificates
from omnyshell.services.local.parts import hub_config
from omnyshell.services.local.setup import LocalSetup, Running

DAY = timedelta(days=1)
HOSTS = ("localhost", "127.0.0.1", "::1")


class MovedClock(SystemClock):
    """The machine's clocks, moved by hand."""

    def __init__(self, by: timedelta = timedelta(0)) -> None:
        self.by = by

    def now(self) -> datetime:
        return super().now() + self.by

    def monotonic(self) -> float:
        return super().monotonic() + self.by.total_seconds()


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def leaf(directory: Path, name: str = "hub.pem") -> CertificateIdentity:
    return CertificateIdentity.from_file(directory / name)


def test_what_is_fresh_is_left_alone_and_what_ends_soon_is_made_anew(tmp_path: Path) -> None:
    clock = MovedClock()
    certificates = LocalCertificates(tmp_path, clock)
    certificates.renew()
    first = contents(tmp_path)
    clock.by = LEAF_LIFETIME - RENEWED_BEFORE - DAY
    certificates.renew()
    assert contents(tmp_path) == first
    clock.by += 2 * DAY
    certificates.renew()
    second = contents(tmp_path)
    changed = {name for name, data in second.items() if data != first[name]}
    assert changed == {"hub.pem", "tunnel.pem"}
    for name in changed:
        assert leaf(tmp_path, name).not_after > clock.now() + LEAF_LIFETIME - DAY
    certificates.renew()
    assert contents(tmp_path) == second


@pytest.mark.parametrize("name", ["hub.pem", "tunnel.pem", "tunnel.key"])
def test_what_is_missing_or_damaged_is_made_anew(tmp_path: Path, name: str) -> None:
    certificates = LocalCertificates(tmp_path, SystemClock())
    certificates.renew()
    before = contents(tmp_path)
    (tmp_path / name).unlink()
    certificates.renew()
    if name != "tunnel.key":
        (tmp_path / name).write_text("half a")
        certificates.renew()
    after = contents(tmp_path)
    assert after.keys() == before.keys()
    assert all(after[kept] == before[kept] for kept in ("ca.pem", "ca.key", "hub.key", "tunnel-ca.pem"))


def test_a_clock_that_was_wrong_when_it_was_made(tmp_path: Path) -> None:
    clock = MovedClock(20 * DAY)
    CertGenerator().generate(tmp_path, HOSTS)
    ahead = CertGenerator(clock=clock).generate(tmp_path, HOSTS, keep_key=True)
    clock.by = timedelta(0)
    LocalCertificates(tmp_path, clock).renew()
    assert leaf(tmp_path).not_before < CertificateIdentity.from_pem(ahead.hub_pem).not_before


def test_an_authority_near_its_end_does_not_make_a_certificate_a_day(tmp_path: Path) -> None:
    clock = MovedClock()
    certificates = LocalCertificates(tmp_path, clock)
    certificates.renew()
    clock.by = CA_LIFETIME - 10 * DAY
    certificates.renew()
    last = contents(tmp_path)
    clock.by += DAY
    certificates.renew()
    assert contents(tmp_path) == last
    clock.by = CA_LIFETIME + DAY
    with pytest.raises(CertGeneratorException, match=r"move it and ca\.key away for a new authority"):
        certificates.renew()


def own_config(setup: LocalSetup, clock: MovedClock) -> HubConfig:
    return replace(hub_config(setup, 0, clock), tunnel_ports=free_range(), host="127.0.0.1")


async def shown(port: int, ca: Path) -> bytes:
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await within(asyncio.open_connection("127.0.0.1", port, ssl=context))
    try:
        return bytes(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    finally:
        writer.transport.abort()


async def test_a_running_hub_renews_both_and_drops_nobody(tmp_path: Path) -> None:
    # The client's clock is the machine's: what the hub makes now has to be valid by it.
    setup, clock = LocalSetup(tmp_path), MovedClock(RENEWED_BEFORE - DAY - LEAF_LIFETIME)
    certs = tmp_path / "certs"
    async with OmnyShellHub(own_config(setup, clock)) as hub:
        access = setup.admin_access(Running(0, hub.port, "n"))
        async with OmnyShellClient(ClientConfig(access=access)) as client:
            tunnel = await client.open_tunnel(target_port=80, secure=True)
            before = leaf(certs).der, leaf(certs, "tunnel.pem").der
            assert (await shown(hub.port, setup.ca_file), await shown(tunnel.public_port, setup.ca_file)) == before
            clock.by = timedelta(0)
            await until(lambda: leaf(certs).der != before[0])
            await until(lambda: [record.action for record in hub.audit].count("hub.reload") == 2)
            after = leaf(certs).der, leaf(certs, "tunnel.pem").der
            assert (await shown(hub.port, setup.ca_file), await shown(tunnel.public_port, setup.ca_file)) == after
            assert not set(after) & set(before)
            assert await client.list_tunnels()
            assert [record for record in hub.audit if record.action == "certificate.warning"] == []
    computed = UidComputer(MachineFacts.read())
    assert computed.hub(after[0]) == computed.hub(before[0])
    # A login that was saved before goes on, at the next start too.
    async with OmnyShellHub(own_config(setup, clock)) as hub:
        client = OmnyShellClient(ClientConfig(access=setup.admin_access(Running(0, hub.port, "n"))))
        await within(client.connect())
        await client.close()


async def test_a_directory_of_0_1_0_gets_tls_tunnels_of_their_own(tmp_path: Path) -> None:
    setup = LocalSetup(tmp_path)
    certs = tmp_path / "certs"
    CertGenerator().generate(certs, HOSTS)
    for path in certs.glob("tunnel*"):
        path.unlink()
    before = contents(certs)
    async with OmnyShellHub(own_config(setup, MovedClock())) as hub:
        access = setup.admin_access(Running(0, hub.port, "n"))
        async with OmnyShellClient(ClientConfig(access=access)) as client:
            tunnel = await client.open_tunnel(target_port=80, secure=True)
            there = replace(access, address=access.address._replace(port=tunnel.public_port))
            with pytest.raises(UntrustedHubException):
                await within(OmnyShellClient(ClientConfig(access=there)).connect())
    after = contents(certs)
    assert all(after[name] == before[name] for name in ("ca.pem", "ca.key", "hub.key"))


async def test_a_renewal_that_fails_is_told_and_the_hub_serves_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setup, clock = LocalSetup(tmp_path), MovedClock()
    async with OmnyShellHub(own_config(setup, clock)) as hub:
        shutil.rmtree(tmp_path / "certs")
        (tmp_path / "certs").write_text("in the way")
        clock.by = LEAF_LIFETIME - 10 * DAY
        await until(lambda: "certificates are not renewed" in caplog.text)
        await until(lambda: any(record.action == "certificate.warning" for record in hub.audit))

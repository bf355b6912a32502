"""What a hub says of its own certificates: at start, at each change, and once a day."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from support.pki import YEAR, Issued, issue, root
from support.stack import Certificates, hub_config, until

from omnyshell import OmnyShellHub, PortRange
from omnyshell.clock import SystemClock
from omnyshell.model.audit import AuditRecord
from omnyshell.security.cert_faults import GUESSES, Fault
from omnyshell.services.hub.certificate_warnings import DAY
from omnyshell.services.hub.ground.config import HubConfig

NOW = datetime.now(UTC).replace(microsecond=0)
ONE_DAY = timedelta(days=1)


class LaterClock(SystemClock):
    """The machine's clocks, put forward by hand."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead.total_seconds()


def config_of(pair: Issued, directory: Path, **changes: Any) -> HubConfig:
    cert, key = pair.write(directory, "hub")
    return hub_config(Certificates(cert, cert, key), host="127.0.0.1", **changes)


def warnings_of(hub: OmnyShellHub) -> list[AuditRecord]:
    return [record for record in hub.audit if record.action == "certificate.warning"]


def leaf_alone(pair: Issued) -> Issued:
    return replace(pair, above=())


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: issue(root(), names=["127.0.0.1"], start=NOW - YEAR, life=YEAR - ONE_DAY), Fault.EXPIRED),
        (lambda: issue(root(), names=["127.0.0.1"], start=NOW + ONE_DAY), Fault.NOT_YET_VALID),
        (lambda: issue(root(), names=["127.0.0.1"], life=20 * ONE_DAY), Fault.ENDS_SOON),
        (lambda: issue(root(), names=["hub.example"]), Fault.OTHER_NAME),
        (lambda: issue(root(), "hub"), Fault.WITHOUT_NAMES),
        (lambda: leaf_alone(issue(root(), names=["127.0.0.1"])), Fault.INCOMPLETE),
    ],
)
async def test_what_clients_will_refuse_is_told_at_the_start(
    tmp_path: Path, make: Callable[[], Issued], kind: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(make(), tmp_path)
    async with OmnyShellHub(config) as hub:
        (told,) = [line.getMessage() for line in caplog.records if line.levelname == "WARNING"]
        assert told.startswith(f"certificate {config.cert}: ")
        if kind in GUESSES:
            # It may be all right: the trail is for what is not.
            assert warnings_of(hub) == []
            return
        (record,) = warnings_of(hub)
        assert (record.outcome, record.reason) == ("error", kind.value)
        assert told == f"certificate {record.detail}"


async def test_a_good_certificate_is_not_talked_about(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for host in ("127.0.0.1", "localhost", ""):
        async with OmnyShellHub(hub_config(certificates, host=host)) as hub:
            assert warnings_of(hub) == []
    # On loopback, behind whatever passes connections on: any spelling of it will do.
    async with OmnyShellHub(config_of(issue(root(), names=["localhost"]), tmp_path)) as hub:
        assert warnings_of(hub) == []
    # All addresses: who knows by which name it is dialled?
    async with OmnyShellHub(replace(config_of(issue(root(), names=["hub.example"]), tmp_path), host="")) as hub:
        assert warnings_of(hub) == []
    assert [line.getMessage() for line in caplog.records if line.levelname == "WARNING"] == []


async def test_once_a_day_and_at_each_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = LaterClock()
    pair = issue(root(), names=["127.0.0.1"], life=100 * ONE_DAY)
    config = config_of(pair, tmp_path, clock=clock)

    def told() -> int:
        return sum("certificate" in line.getMessage() for line in caplog.records if line.levelname == "WARNING")

    async with OmnyShellHub(config) as hub:
        assert warnings_of(hub) == []
        clock.ahead = timedelta(seconds=DAY) * 90
        await until(lambda: told() == 1)
        assert [record.reason for record in warnings_of(hub)] == ["ends soon"]
        # A reload says it again, and audits no more that day.
        hub.reload(config)
        assert told() == 2
        assert len(warnings_of(hub)) == 1
        clock.ahead += timedelta(seconds=DAY) / 2
        hub._reloading.tick(clock.monotonic())
        assert told() == 2
        clock.ahead += timedelta(seconds=DAY)
        await until(lambda: told() == 3)
        assert len(warnings_of(hub)) == 2
        clock.ahead += timedelta(seconds=DAY) * 30
        await until(lambda: told() == 4)
        assert [record.reason for record in warnings_of(hub)] == ["ends soon", "ends soon", "expired"]
        # Renewed, and taken over by itself: nothing is left to say.
        issue(pair.above[0], names=["127.0.0.1"], key=pair.key, life=2 * YEAR).write(tmp_path, "hub")
        await until(lambda: any(record.action == "hub.reload" and record.detail for record in hub.audit))
        clock.ahead += timedelta(seconds=DAY)
        hub._reloading.tick(clock.monotonic())
        assert told() == 4


async def test_ports_by_which_public_authorities_ask_are_no_tunnels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = issue(root(), names=["127.0.0.1"])
    config = config_of(pair, tmp_path)
    (tmp_path / "public.pem").write_bytes(pair.above[0].pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "public.pem"))
    for ports, reasons in (((400, 500), ["tunnels on a port of authorities"]), ((81, 442), [])):
        async with OmnyShellHub(replace(config, tunnel_ports=PortRange(*ports))) as hub:
            assert [record.reason for record in warnings_of(hub)] == reasons
    monkeypatch.delenv("SSL_CERT_FILE")
    async with OmnyShellHub(replace(config, tunnel_ports=PortRange(400, 500))) as hub:
        assert warnings_of(hub) == []


async def test_what_cannot_be_read_is_told_and_serves_on(certificates: Certificates, tmp_path: Path) -> None:
    # A name of a kind that nobody uses.
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes.fromhex("3007a505a1030c0178"))
    config = config_of(issue(root(), "hub", extra=broken), tmp_path)
    config = replace(config, tunnel_cert=certificates.tunnel_cert, tunnel_key=certificates.tunnel_key)
    async with OmnyShellHub(config) as hub:
        fields, names, apart = warnings_of(hub)
        assert (fields.reason, names.reason, apart.reason) == ("unreadable", "unreadable", "tunnels not apart")
        assert "it holds fields that cannot be read" in fields.detail
        assert "its names cannot be read" in names.detail
        assert "TLS tunnels are off: it cannot be told whether clients could take" in apart.detail


async def test_the_tunnels_certificate_is_looked_at_too(certificates: Certificates, tmp_path: Path) -> None:
    cert, key = issue(root(), names=["tunnels.example"], life=20 * ONE_DAY).write(tmp_path, "tunnels")
    config = hub_config(certificates, tunnel_cert=cert, tunnel_key=key, tunnel_public_host="other.example")
    async with OmnyShellHub(config) as hub:
        assert [record.reason for record in warnings_of(hub)] == ["other name", "ends soon"]
        assert all(record.detail.startswith(f"{cert}: ") for record in warnings_of(hub))

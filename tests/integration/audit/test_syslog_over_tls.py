"""Audit records over syslog with TLS: to a listener of ours that reads RFC 5425 strictly, and to rsyslog."""

import asyncio
import json
import logging
import re
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.deadline import DEADLINE
from support.pki import issue, root
from support.ports import free_port
from support.stack import Certificates, hub_config, until, within

from omnyshell import ConfigException, OmnyShellHub
from omnyshell.services.hub.audit.against import hold_against
from omnyshell.services.hub.audit.chain import GENESIS, ChainedRecord
from omnyshell.services.hub.audit.sinks import SinkThread, open_sink
from omnyshell.services.hub.audit.store import load_audit_key
from omnyshell.services.hub.ground.audit_settings import SinkTls
from omnyshell.services.hub.ground.state_names import AUDIT_FILE

MESSAGE = re.compile(
    rb"<86>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 \S+ omnyshell-audit \d+ audit - (\{.*\})", re.DOTALL
)


class Listener:
    """A syslog server: one connection after another, each a stream of counted messages."""

    def __init__(self, certificates: Certificates, port: int = 0, asks: Path | None = None) -> None:
        self.records: list[dict[str, object]] = []
        self.problems: list[str] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.cert, certificates.key)
        if asks is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(asks)
        self._socket = socket.create_server(("127.0.0.1", port or free_port()))
        self.port = int(self._socket.getsockname()[1])
        self._open: list[ssl.SSLSocket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """As a process that is killed: nothing more is taken from now on."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)

    def seqs(self) -> set[object]:
        return {record["seq"] for record in self.records}

    def _serve(self) -> None:
        while True:
            try:
                raw, _ = self._socket.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(raw, server_side=True) as connection:
                    self._open = [connection]
                    self._read(connection)
            except OSError as exc:
                self.problems.append(str(exc))

    def _read(self, connection: ssl.SSLSocket) -> None:
        stream = connection.makefile("rb")
        while digits := self._digits(stream):
            message = stream.read(int(digits))
            if len(message) < int(digits):
                return
            found = MESSAGE.fullmatch(message)
            assert found is not None, message
            self.records.append(json.loads(found[1]))

    @staticmethod
    def _digits(stream: object) -> bytes:
        digits = b""
        while (byte := stream.read(1)) not in (b" ", b""):  # type: ignore[attr-defined]
            digits += byte
        assert not digits or re.fullmatch(rb"[1-9][0-9]*", digits), digits
        return digits


@contextmanager
def listening(certificates: Certificates, port: int = 0, asks: Path | None = None) -> Iterator[Listener]:
    listener = Listener(certificates, port, asks)
    try:
        yield listener
    finally:
        listener.stop()


def made(first: int, count: int) -> list[ChainedRecord]:
    return [
        ChainedRecord(seq, GENESIS, f'{{"seq":{seq},"detail":"é \\u001b"}}'.encode(), GENESIS)
        for seq in range(first, first + count)
    ]


def sink_to(certificates: Certificates, port: int, host: str = "127.0.0.1", **tls: Path) -> SinkThread:
    settings = SinkTls(**{"ca": certificates.ca} | tls)
    return SinkThread(open_sink(f"syslog-tls:{host}:{port}", settings), "tls")


async def test_a_hubs_records_arrive_whole_and_the_trail_holds_against_them(
    certificates: Certificates, tmp_path: Path
) -> None:
    with listening(certificates) as listener:
        config = hub_config(
            certificates,
            state_dir=tmp_path,
            audit_sinks=(f"syslog-tls:localhost:{listener.port}",),
            audit_sink_tls=SinkTls(certificates.ca),
        )
        async with OmnyShellHub(config) as hub:
            for number in range(2000):
                hub.audit.record("session.open", detail=f"no. {number} é\x1b")
        await until(lambda: bool(listener.records) and listener.records[-1].get("action") == "audit.head")
    seqs = [record["seq"] for record in listener.records]
    assert seqs == list(range(1, len(seqs) + 1))
    lines = [json.dumps(record).encode() for record in listener.records]
    against = hold_against(tmp_path / AUDIT_FILE, lines, "FILE", load_audit_key(tmp_path).public_key)
    assert against.findings == []
    assert against.heads >= 1


async def test_what_a_server_missed_while_it_was_down_comes_when_it_is_back(certificates: Certificates) -> None:
    with listening(certificates) as first:
        sink = sink_to(certificates, first.port)
        sink.put(made(1, 50))
        await until(lambda: len(first.seqs()) == 50)
    sink.put(made(51, 500))
    with listening(certificates, first.port) as second:
        await until(lambda: second.seqs() >= set(range(51, 551)))
        # Again, without a word: the connection is found to be gone by the next record.
        second._open[0].shutdown(socket.SHUT_RDWR)
        sink.put(made(551, 5))
        await until(lambda: second.seqs() >= set(range(51, 556)))
        sink.close()


async def test_records_wait_within_bounds_and_what_is_missed_is_said(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(certificates) as listener:
        port = listener.port
    sink = SinkThread(open_sink(f"syslog-tls:127.0.0.1:{port}", SinkTls(certificates.ca)), "tls", limit=100)
    for first in range(1, 1000, 10):
        sink.put(made(first, 10))
    with caplog.at_level(logging.ERROR), listening(certificates, port) as listener:
        await until(lambda: listener.seqs() == set(range(1, 101)))
        await until(lambda: "missed 900 records" in caplog.text)
        sink.close()


@pytest.mark.parametrize("kind", ["another authority", "another name", "no certificate of its own"])
async def test_a_server_that_cannot_be_trusted_or_does_not_trust_gets_nothing(
    certificates: Certificates, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = Certificates.made(tmp_path / "other", "elsewhere.example")
    asks = certificates.ca if kind == "no certificate of its own" else None
    with caplog.at_level(logging.ERROR), listening(other if kind == "another name" else certificates, asks=asks) as it:
        ca = other.ca if kind != "no certificate of its own" else certificates.ca
        sink = sink_to(certificates, it.port, ca=ca)
        sink.put(made(1, 10))
        await until(lambda: bool(it.problems) and "AUDIT SINK tls FAILS" in caplog.text)
        sink.close()
        assert it.records == []


async def test_a_server_that_asks_gets_our_certificate(certificates: Certificates, tmp_path: Path) -> None:
    authority = root()
    ca, _ = authority.write(tmp_path, "clients")
    ours = issue(authority, names=["hub"], purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    cert, key = ours.write(tmp_path, "ours")
    with listening(certificates, asks=ca) as listener:
        sink = sink_to(certificates, listener.port, cert=cert, key=key)
        sink.put(made(1, 10))
        await until(lambda: len(listener.records) == 10)
        sink.close()


@pytest.mark.parametrize("name", ["ca", "cert", "key"])
def test_files_that_cannot_be_used_are_refused_at_start(certificates: Certificates, tmp_path: Path, name: str) -> None:
    (tmp_path / "junk").write_text("junk")
    files = {"ca": certificates.ca, "cert": certificates.cert, "key": certificates.key}
    for wrong in (tmp_path / "junk", tmp_path / "nothing", None):
        if wrong is None and name == "ca":
            continue
        with pytest.raises(ConfigException, match="audit"):
            open_sink("syslog-tls:h", SinkTls(**files | {name: wrong}))


RSYSLOG = """
global(workDirectory="{work}" defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{cert}"
       defaultNetstreamDriverKeyFile="{key}" maxMessageSize="64k")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
input(type="imtcp" port="{port}" address="127.0.0.1")
*.* action(type="omfile" file="{out}")
"""


async def test_rsyslog_takes_it_and_the_trail_holds_against_its_file(
    certificates: Certificates, tmp_path: Path
) -> None:
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")
    if rsyslogd is None or not any(Path("/usr/lib").rglob("rsyslog/lmnsd_gtls.so")):
        pytest.skip("rsyslog with its gtls driver is not installed")
    port = free_port()
    out, config = tmp_path / "out.log", tmp_path / "rsyslog.conf"
    config.write_text(
        RSYSLOG.format(
            work=tmp_path, ca=certificates.ca, cert=certificates.cert, key=certificates.key, port=port, out=out
        )
    )
    process = await asyncio.create_subprocess_exec(rsyslogd, "-n", "-f", str(config), "-i", str(tmp_path / "pid"))
    try:
        state = tmp_path / "state"
        sinks = (f"syslog-tls:localhost:{port}",)
        tls = SinkTls(certificates.ca)
        async with OmnyShellHub(
            hub_config(certificates, state_dir=state, audit_sinks=sinks, audit_sink_tls=tls)
        ) as hub:
            for number in range(300):
                hub.audit.record("session.open", detail=f"no. {number} é\x1b", command="ls \x00" * 100)
            await until(lambda: out.exists() and out.read_bytes().count(b'"session.open"') >= 300)
        lines = out.read_bytes().splitlines()
    finally:
        process.terminate()
        await within(process.wait())
    against = hold_against(state / AUDIT_FILE, lines, "FILE", load_audit_key(state).public_key)
    assert against.findings == []
    assert against.records >= 300

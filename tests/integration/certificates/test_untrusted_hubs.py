"""What a client says of a hub that it does not trust: the cause, and what to do, over real TLS."""

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.deadline import DEADLINE
from support.pki import YEAR, Issued, issue, root
from support.stack import Certificates, access, hub_config, until, within

from omnyshell import (
    ClientConfig,
    ConfigException,
    HubAccess,
    HubAddress,
    OmnyShellClient,
    OmnyShellHub,
    TransportException,
)
from omnyshell.errors import UntrustedHubException
from omnyshell.security.cert_generator import CertGenerator
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.binding import Binding
from omnyshell.services.join import join
from omnyshell.transport.tls import server_context
from omnyshell.tui.hub_link import HubLink

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
CLOCK = r"which says \d{4}-\d\d-\d\d \d\d:\d\d UTC"


async def said(config: HubAccess) -> str:
    """What a client says that cannot connect."""
    with pytest.raises(TransportException) as failed:
        await within(OmnyShellClient(ClientConfig(access=config)).connect())
    text = str(failed.value)
    assert text.isprintable()
    assert "_ssl.c" not in text
    return text


async def said_of(pair: Issued, trusted: Issued | None, directory: Path, host: str = "127.0.0.1") -> str:
    """What a client says that trusts a certificate, or the system's, of a hub with another one."""
    cert, key = pair.write(directory, "hub")
    ca = directory / "ca.pem"
    if trusted is not None:
        ca.write_bytes(trusted.pem)
    async with OmnyShellHub(hub_config(Certificates(ca, cert, key), host="localhost")) as hub:
        dialled = access(Certificates(ca, cert, key), hub.port, "admin")
        address = HubAddress(host, hub.port)
        text = await said(replace(dialled, address=address, ca=ca if trusted is not None else None))
    assert text.startswith(f"the certificate of {address} is not trusted: ")
    return text.split(": ", 1)[1]


Made = tuple[Issued, Issued | None]


def expired() -> Made:
    top = root()
    return issue(top, names=["127.0.0.1"], start=NOW - YEAR, life=YEAR - DAY), top


def not_yet_valid() -> Made:
    top = root()
    return issue(top, names=["127.0.0.1"], start=NOW + DAY), top


def of_another_name() -> Made:
    top = root()
    return issue(top, names=["hub.example", "10.0.0.1"]), top


def of_no_name() -> Made:
    top = root()
    return issue(top, "a hub"), top


def without_its_intermediate() -> Made:
    top = root("the root")
    between = issue(top, "the middle", is_authority=True)
    return replace(issue(between, names=["127.0.0.1"]), above=()), top


def of_another_authority() -> Made:
    return issue(root("theirs"), names=["127.0.0.1"]), root("ours")


def of_an_authority_that_the_system_does_not_know() -> Made:
    return issue(root("theirs"), names=["127.0.0.1"]), None


def self_signed() -> Made:
    return issue(None, names=["127.0.0.1"]), None


def self_signed_anew() -> Made:
    return issue(None, names=["127.0.0.1"]), issue(None, "before", names=["127.0.0.1"])


def for_clients() -> Made:
    top = root()
    return issue(top, names=["127.0.0.1"], purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]), top


def by_no_authority() -> Made:
    top = root()
    between = issue(top, "some server", names=["127.0.0.1"])
    return issue(between, names=["127.0.0.1"]), top


def under_an_expired_authority() -> Made:
    top = root("old", start=NOW - 10 * YEAR, life=10 * YEAR - DAY)
    return replace(issue(top, names=["127.0.0.1"]), above=()), top


CAUSES = [
    (expired, rf"it expired on \S+ \S+ UTC; the hub's operator has to renew it, unless the clock .* wrong, {CLOCK}"),
    (not_yet_valid, rf"it is not valid before \S+ \S+ UTC.*; set the clock of this machine right, {CLOCK}"),
    (of_another_name, r"it is for hub\.example, 10\.0\.0\.1, and not for 127\.0\.0\.1; dial it by a name that"),
    (of_no_name, "it is for no host .*; the hub's operator has to have it made for the name that you dial"),
    (
        without_its_intermediate,
        ("it comes from 'CN=the middle', whose certificate the hub does not show, and .* holds 'CN=the root'; "
         "if that is a missing intermediate certificate, the hub's operator has to append it; else "),
    ),
    (
        of_another_authority,
        ("it comes from 'CN=theirs', and .*ca.pem holds 'CN=ours'; this is another hub, or its authority has changed: "
         "get its ca.pem anew"),
    ),
    (
        of_an_authority_that_the_system_does_not_know,
        "it comes from 'CN=theirs', and this system does not trust that; name the hub's own CA",
    ),
    (self_signed, "it is self-signed, and this system does not trust that; name the hub's own CA"),
    (self_signed_anew, "it is self-signed, and .* holds 'CN=before'; this is another hub, or its authority has"),
    (for_clients, "it is not for TLS servers; the hub's operator has to have one made for TLS servers"),
    (by_no_authority, "its issuer 'CN=some server' may not issue it; the hub's operator has to have it issued"),
    (under_an_expired_authority, rf"its issuer 'CN=old' expired on .* is wrong, {CLOCK}"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "says"), CAUSES)
async def test_each_cause_and_its_remedy(tmp_path: Path, make: Callable[[], Made], says: str) -> None:
    text = await said_of(*make(), tmp_path)
    assert re.fullmatch(f"{says}.*", text), text


async def test_two_causes_are_both_told(tmp_path: Path) -> None:
    pair = issue(root("theirs"), names=["hub.example"], start=NOW - YEAR, life=YEAR - DAY)
    text = await said_of(pair, root("ours"), tmp_path)
    for cause in ("it expired on", "and it is for hub.example", "and it comes from 'CN=theirs'"):
        assert cause in text


async def test_the_console_is_told_the_same(tmp_path: Path) -> None:
    pair, trusted = expired()
    cert, key = pair.write(tmp_path, "hub")
    ca = tmp_path / "ca.pem"
    assert trusted is not None
    ca.write_bytes(trusted.pem)
    async with OmnyShellHub(hub_config(Certificates(ca, cert, key))) as hub:
        link = HubLink()
        link.use(access(Certificates(ca, cert, key), hub.port, "admin"))
        running = asyncio.create_task(link.run())
        await until(lambda: "it expired on" in link.state.link_error)
        assert "the hub's operator has to renew it" in link.state.link_error
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_hostile_names_are_made_safe(tmp_path: Path) -> None:
    names = [f"a\x1b]0;{number}\x07{'.example' * 20}" for number in range(100)]
    text = await said_of(issue(root("\x1b[2J\u202e"), "\x9b1m", names=names), root("ours"), tmp_path)
    assert "and 92 more" in text
    assert len(text) < 2000


async def test_a_join_says_the_same(tmp_path: Path) -> None:
    pair, trusted = expired()
    cert, key = pair.write(tmp_path, "hub")
    ca = tmp_path / "ca.pem"
    assert trusted is not None
    ca.write_bytes(trusted.pem)
    async with OmnyShellHub(hub_config(Certificates(ca, cert, key))) as hub:
        with pytest.raises(UntrustedHubException, match=r"it expired on .*; the hub's operator has to renew it"):
            await join(
                HubAddress("127.0.0.1", hub.port),
                ca,
                role="client",
                token="t",
                key=Ed25519PrivateKey.generate(),
                binding=Binding(),
            )


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that answers one connection, in a thread: blocking TLS sends the alerts that asyncio's keeps."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(DEADLINE)


def as_ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
    connection.recv(1000)


def as_http(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.recv(1000)


def as_a_plain_tunnel(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(bytes(1000))
    connection.recv(1000)


def leaves_at_once(connection: socket.socket) -> None:
    connection.recv(1)


def with_old_tls(certificates: Certificates, version: ssl.TLSVersion) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert, certificates.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version

    def answer(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True)

    return answer


def with_no_common_cipher(certificates: Certificates) -> Callable[[socket.socket], None]:
    context = server_context(certificates.cert, certificates.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")

    def answer(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True)

    return answer


@pytest.mark.parametrize("answer", [as_ssh, as_http, as_a_plain_tunnel])
async def test_what_speaks_no_tls(certificates: Certificates, answer: Callable[[socket.socket], None]) -> None:
    with answering(answer) as port:
        text = await said(access(certificates, port, "admin"))
    assert text == f"what answers at wss://127.0.0.1:{port} does not speak TLS: it is no hub; check host and port"


async def test_what_ends_the_handshake(certificates: Certificates) -> None:
    with answering(leaves_at_once) as port:
        text = await said(access(certificates, port, "admin"))
    assert "the connection ended in the TLS handshake: the hub may be full, or it is no hub" in text


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_what_speaks_old_tls_alone(certificates: Certificates) -> None:
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with answering(with_old_tls(certificates, version)) as port:
            text = await said(access(certificates, port, "admin"))
        assert "speaks no TLS 1.2 or newer: update it, or the proxy in front of it" in text


async def test_what_has_no_cipher_in_common(certificates: Certificates) -> None:
    with answering(with_no_common_cipher(certificates)) as port:
        text = await said(access(certificates, port, "admin"))
    assert "has no TLS cipher in common with this program" in text


async def test_a_file_that_is_no_authority(certificates: Certificates, tmp_path: Path) -> None:
    for ca, says in ((certificates.key, "there is no certificate in PEM in"), (tmp_path / "none", "No such file")):
        with pytest.raises(ConfigException, match=says):
            await OmnyShellClient(ClientConfig(access=access(replace(certificates, ca=ca), 1, "admin"))).connect()


async def test_the_authority_for_tunnels_is_told_from_another_hub(certificates: Certificates, tmp_path: Path) -> None:
    tunnels = CertGenerator().generate(tmp_path, ["127.0.0.1"]).tunnels
    async with OmnyShellHub(hub_config(certificates)) as hub:
        text = await said(replace(access(certificates, hub.port, "admin"), ca=tunnels.ca_pem_path))
    assert f"{tunnels.ca_pem_path} holds the authority for tunnels" in text
    assert "another hub" not in text

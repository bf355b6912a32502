"""A hub in operation: pages, edited keys, a renewed certificate, a reload under busy sessions."""

import asyncio
import contextlib
import json
import shutil
import signal
import sqlite3
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client.parser import text_string_to_metric_families
from support.commands import start_command
from support.deadline import DEADLINE
from support.ports import free_range
from support.raw_peer import STDIN, logged_in, open_session, registered, stranger
from support.stack import Certificates, connected_client, hub_config, running_node, until, within

from omnyshell import (
    AuthorizedKeysStore,
    CertGenerator,
    CompositeAuthenticator,
    ConfigException,
    OmnyShellHub,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
)
from omnyshell.model.tunnels import PortRange
from omnyshell.services.hub.audit.store import AuditStore
from omnyshell.services.hub.ground.watched_files import WatchedFiles
from omnyshell.transport import link
from omnyshell.transport.tls import leaf_of_chain


@pytest.fixture(autouse=True)
def _short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a page reads to the end of the connection, which comes when the hub has lingered."""
    monkeypatch.setattr(link, "LINGER", 0.02)


async def http(certificates: Certificates, port: int, request: str) -> tuple[int, dict[str, str], str]:
    """One plain request; the status, headers and body."""
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        writer.write(request.replace("\n", "\r\n").encode())
        raw = await within(reader.read(1_000_000))
        while chunk := await within(reader.read(1_000_000)):
            raw += chunk
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    head, _, body = raw.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]) if status else 0, headers, body


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        ("GET /healthz HTTP/1.1\nHost: h\n\n", 200, "ok\n"),
        ("GET /healthz?x=1 HTTP/1.0\nHost: h\n\n", 200, "ok\n"),
        ("HEAD /healthz HTTP/1.1\nHost: h\n\n", 200, ""),
        ("GET /readyz HTTP/1.1\nHost: h\n\n", 200, "ready\n"),
        ("GET / HTTP/1.1\nHost: h\n\n", 426, "Upgrade Required\n"),
        ("GET /../etc/passwd HTTP/1.1\nHost: h\n\n", 404, "Not Found\n"),
        ("POST /healthz HTTP/1.1\nHost: h\n\n", 405, "Method Not Allowed\n"),
        ("DELETE /metrics HTTP/1.1\nHost: h\n\n", 405, "Method Not Allowed\n"),
        ("GET /metrics HTTP/1.1\nHost: h\nAuthorization: Bearer wrong\n\n", 403, "Forbidden\n"),
    ],
)
async def test_pages(certificates: Certificates, request_: str, status: int, body: str) -> None:
    async with OmnyShellHub(hub_config(certificates, metrics_token="right")) as hub:
        answer = await http(certificates, hub.port, request_)
        assert (answer[0], answer[2]) == (status, body)
        assert answer[1]["connection"] == "close"
        assert (answer[1].get("allow") == "GET, HEAD") == (status == 405)


@pytest.mark.parametrize("token", [None, "right"])
@pytest.mark.parametrize("from_loopback", [False, True])
@pytest.mark.parametrize("given", ["", "Bearer right", "Bearer wrong", "Basic right"])
async def test_metrics_are_for_who_has_the_token_and_for_loopback_where_that_is_said(
    certificates: Certificates, token: str | None, from_loopback: bool, given: str
) -> None:
    config = hub_config(certificates, metrics_token=token, metrics_from_loopback=from_loopback)
    async with OmnyShellHub(config) as hub:
        header = f"Authorization: {given}\n" if given else ""
        status, _, body = await http(certificates, hub.port, f"GET /metrics HTTP/1.1\nHost: h\n{header}\n")
        if token is None and not from_loopback:
            assert status == 404
        elif not given:
            assert status == (200 if from_loopback else 401)
        else:
            assert status == (200 if token and given == "Bearer right" else 403)
        assert ("omnyshell_peers" in body) == (status == 200)


async def test_what_is_no_http_gets_no_page_and_harms_nobody(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub:
        for junk in ("\x00\x01\x02\n\n\n", "GET\n\n", "GET /healthz HTTP/9.9\n\n", "G" * 10_000 + "\n\n"):
            assert (await http(certificates, hub.port, junk))[0] in (0, 400, 414)
        assert (await http(certificates, hub.port, "GET /healthz HTTP/1.1\n\n"))[0] == 200


async def test_metrics_say_what_happens(certificates: Certificates, tmp_path: Path) -> None:
    config = hub_config(certificates, state_dir=tmp_path, metrics_token="right")
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
        logged_in(certificates, hub.port, "gardener", "dev"),
        logged_in(certificates, hub.port, 'x"}\n', "dev"),
    ):
        channel = await open_session(client, node)
        for _ in range(40):
            await client.send_data(STDIN, 1, b"x" * 100)
            await node.hear()
            await asyncio.sleep(0.02)
        async with stranger(certificates, hub.port) as guess:
            await guess.greet("client")
            await guess.say("auth.request", {"method": "token", "principal": "dev", "token": "wrong"})
            await guess.hear_close()
        request = "GET /metrics HTTP/1.1\nHost: h\nAuthorization: Bearer right\n\n"
        status, headers, text = await http(certificates, hub.port, request)
        assert status == 200
        assert headers["content-type"].startswith("text/plain; version=")
        values = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert values["omnyshell_peers", "client"] == values["omnyshell_peers", "node"] == 1
        assert values["omnyshell_peers", "other"] == 2
        assert values["omnyshell_nodes_online",] == 1
        assert values["omnyshell_sessions", "open"] == 1
        assert values["omnyshell_relayed_bytes_total",] == 4000
        assert values["omnyshell_auth_failures_total",] == 1
        assert values["omnyshell_login_seconds_count",] == 4
        assert values["omnyshell_relay_seconds_count",] >= 1
        assert values["omnyshell_loop_lag_seconds_count",] >= 1
        for name in ("send_queue_bytes", "audit_lost_total", "tunnels", "tunnel_connections", "audit_failing"):
            assert values[f"omnyshell_{name}",] == 0
        await client.say("channel.close", {"reason": "client_closed"}, 1)
        assert (await node.hear("channel.close"))["c"] == channel


async def test_a_hub_that_cannot_keep_its_audit_is_not_ready(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> NoReturn:
        raise sqlite3.OperationalError("database or disk is full")

    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path)) as hub:
        writer = hub.audit.writer
        assert writer is not None
        with monkeypatch.context() as disk:
            disk.setattr(AuditStore, "append", full)
            hub.audit.record("session.open")
            await until(lambda: writer.is_failing)
            status, _, body = await http(certificates, hub.port, "GET /readyz HTTP/1.1\n\n")
            assert (status, body) == (503, "the audit trail cannot be written\n")
        await until(lambda: not writer.is_failing)
        assert (await http(certificates, hub.port, "GET /readyz HTTP/1.1\n\n"))[0] == 200


def key_line(name: str, roles: str) -> str:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    import base64

    return f"{name} {base64.b64encode(public).decode()} {roles}\n"


async def test_a_revoked_token_ends_its_session_and_connection_within_two_seconds(
    certificates: Certificates, tmp_path: Path
) -> None:
    grants = tmp_path / "grants"
    grants.write_text("admin:admin-token:admin\nbox:box-token:node\ndev:dev-token:developer\n")

    def read() -> list[TokenGrant]:
        return [TokenGrant.parse(line) for line in grants.read_text().split()]

    tokens = TokenAuthenticator(read())
    watched = (WatchedFiles((grants,), lambda: tokens.replace(read())),)
    labels = {"allow-roles": "developer"}
    async with (
        OmnyShellHub(hub_config(certificates, authenticator=tokens, watched=watched)) as hub,
        registered(certificates, hub.port, labels=labels) as node,
        logged_in(certificates, hub.port, "client", "dev") as dev,
        logged_in(certificates, hub.port, "client", "admin") as admin,
    ):
        channel = await open_session(dev, node)
        # A mistake keeps what was there before, and is told.
        grants.write_text("admin:admin-token:admin\nbroken\n")
        await until(lambda: any(r.action == "hub.reload" and r.outcome == "error" for r in hub.audit))
        await dev.still_there()
        grants.write_text("admin:admin-token:admin\nbox:box-token:node\n")
        async with asyncio.timeout(DEADLINE):
            closed = await node.hear("channel.close")
            assert (closed["c"], closed["d"]["reason"]) == (channel, "client_closed")
            assert (await dev.hear("channel.close"))["c"] == 1
            error = await dev.hear("error")
            assert (error["d"]["code"], error["d"]["fatal"]) == ("auth_failed", True)
            assert (await dev.hear_close())[0] == 4400
        await admin.still_there()
        await node.still_there()
        assert "peer.revoked" in [record.action for record in hub.audit]


async def test_keys_are_followed_and_half_a_file_is_never_taken(certificates: Certificates, tmp_path: Path) -> None:
    keys = tmp_path / "authorized_keys"
    keys.write_text(key_line("ann", "admin"))
    store = AuthorizedKeysStore.from_file(keys)
    authenticator = CompositeAuthenticator([PublicKeyAuthenticator(store)])
    config = hub_config(certificates, authenticator=authenticator, watched=(WatchedFiles((keys,), store.reload),))
    async with OmnyShellHub(config) as hub:
        keys.write_text(keys.read_text() + key_line("bob", "developer"))
        await until(lambda: len(store.entries) == 2)
        with keys.open("a") as file:
            file.write("eve AAAA")
        await until(lambda: any(record.outcome == "error" for record in hub.audit))
        assert [entry.principal for entry in store.entries] == ["ann", "bob"]
        replaced = tmp_path / "new"
        replaced.write_text(key_line("carol", "developer"))
        replaced.rename(keys)
        await until(lambda: [entry.principal for entry in store.entries] == ["carol"])


async def test_a_ceiling_set_by_a_reload_ends_what_it_forbids(certificates: Certificates) -> None:
    config = hub_config(certificates)
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node,
        logged_in(certificates, hub.port, "client", "dev") as dev,
    ):
        await open_session(dev, node)
        assert hub.reload(replace(config, node_labels={"n1": {"allow-roles": "operator"}}, port=1)) == ["port"]
        assert (await node.hear("channel.close"))["d"]["reason"] == "client_closed"
        assert (await dev.hear("channel.close"))["d"]["reason"] == "error"
        await dev.say("session.open", {"nodeId": "n1"}, 2)
        assert (await dev.hear("session.rejected"))["d"]["reason"] == "not_authorized"


class Nobody:
    """Lets nobody use anything."""

    def may_open(self, *_: object) -> bool:
        return False


async def test_who_may_use_nodes_after_a_reload_is_decided_alike_everywhere(certificates: Certificates) -> None:
    config = hub_config(certificates, tunnel_ports=free_range())
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port),
        logged_in(certificates, hub.port, "client", "dev") as dev,
    ):
        hub.reload(replace(config, authorizer=Nobody()))
        await dev.say("session.open", {"nodeId": "n1"}, 2)
        assert (await dev.hear("session.rejected"))["d"]["reason"] == "not_authorized"
        await dev.say("sessions.list.request", {"requestId": "1", "nodeId": "n1"})
        await dev.hear("sessions.list.response")
        await dev.say("tunnel.open.request", {"requestId": "2", "nodeId": "n1", "targetHost": "::1", "targetPort": 80})
        assert (await dev.hear("tunnel.rejected"))["d"]["reason"] == "not_authorized"
        denied = [record.action for record in hub.audit if record.outcome == "denied"]
        assert len(denied) == 3, denied


async def test_a_step_of_the_upkeep_that_fails_keeps_no_other_from_its_work(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with OmnyShellHub(hub_config(certificates, heartbeat_timeout=0.5)) as hub:
        done = []

        def fail(_now: float) -> NoReturn:
            raise ZeroDivisionError

        monkeypatch.setattr(hub._reloading, "tick", fail)
        monkeypatch.setattr(hub._services.node_service, "drop_silent", done.append)
        hub._sweeper.cancel()
        hub._sweeper = asyncio.create_task(hub._sweep(hub._services, hub._reloading))
        await until(lambda: len(done) > 1)
    assert "the hub's upkeep failed" in caplog.text


async def test_a_reload_names_options_that_differ_from_what_is_in_force(certificates: Certificates) -> None:
    config = hub_config(certificates)
    async with OmnyShellHub(config) as hub:
        changed = replace(config, port=1, tunnel_ports=PortRange(20000, 20010), audit_sinks=("stdout",))
        for _ in range(2):
            assert hub.reload(changed) == ["port", "tunnel-port-range", "audit-sink"]
        assert hub.reload(config) == []


async def test_a_renewed_certificate_is_picked_up_with_no_failed_handshake(tmp_path: Path) -> None:
    made = CertGenerator().generate(tmp_path / "a", ["localhost", "127.0.0.1"])
    own = Certificates(made.ca_pem_path, tmp_path / "hub.pem", tmp_path / "hub.key")
    shutil.copy(made.hub_pem_path, own.cert)
    shutil.copy(made.hub_key_path, own.key)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    renewed = CertGenerator().generate(tmp_path / "b", ["localhost", "127.0.0.1"])
    assert renewed.ca_pem == made.ca_pem
    tls = ssl.create_default_context(cafile=str(own.ca))
    shown: list[bytes] = []

    async def handshake(port: int) -> None:
        _, writer = await within(asyncio.open_connection("127.0.0.1", port, ssl=tls))
        shown.append(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        writer.transport.abort()

    async with OmnyShellHub(hub_config(own)) as hub, logged_in(own, hub.port, "client", "admin") as admin:
        await handshake(hub.port)
        async with asyncio.TaskGroup() as tasks:
            for target, data in ((own.cert, renewed.hub_pem), (own.key, renewed.hub_key)):
                size = len(data) // 8
                target.write_bytes(b"")
                for part in range(9):
                    with target.open("ab") as file:
                        file.write(data[part * size : (part + 1) * size])
                    for _ in range(5):
                        tasks.create_task(handshake(hub.port))
                        await asyncio.sleep(0.02)
        async with asyncio.timeout(DEADLINE):
            while shown[-1] == shown[0]:
                await handshake(hub.port)
                await asyncio.sleep(0.02)
        assert set(shown) == {shown[0], leaf_of_chain(own.cert)}
        await admin.still_there()
        # A login that is bound to the new key works.
        async with logged_in(own, hub.port, "client", "dev") as dev:
            await dev.still_there()


async def test_a_certificate_that_does_not_match_its_key_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    other = CertGenerator().generate(tmp_path, ["localhost"])
    config = hub_config(certificates)
    async with OmnyShellHub(config) as hub:
        with pytest.raises(ConfigException):
            hub.reload(replace(config, cert=other.hub_pem_path))
        async with logged_in(certificates, hub.port, "client", "admin") as admin:
            await admin.still_there()


@pytest.fixture
async def hub_process(
    certificates: Certificates, tmp_path: Path
) -> AsyncIterator[tuple["subprocess.Popen[str]", int, Path]]:
    config = tmp_path / "hub.toml"
    grants = tmp_path / "grants"
    grants.write_text("admin:admin-token:admin\nbox:box-token:node\ndev:dev-token:developer\n")
    config.write_text(
        f'host = "127.0.0.1"\nport = 0\ncert = "{certificates.cert}"\nkey = "{certificates.key}"\n'
        f'grant-token-file = "{grants}"\nstate-dir = "{tmp_path / "state"}"\n'
    )
    with (tmp_path / "log").open("wb") as log:
        process = start_command("hub", "start", "--config", str(config), stdout=subprocess.PIPE, stderr=log, text=True)
    with process:
        try:
            assert process.stdout is not None
            line = await within(asyncio.to_thread(process.stdout.readline))
            yield process, int(line.rsplit(":", 1)[1]), config
        finally:
            process.terminate()
            await within(asyncio.to_thread(process.wait))


async def test_sighup_reloads_under_a_hundred_busy_sessions(
    certificates: Certificates, tmp_path: Path, hub_process: tuple["subprocess.Popen[str]", int, Path]
) -> None:
    process, port, config = hub_process
    sessions, reloads = 100, 10
    async with (
        running_node(certificates, port, tmp_path / "node", max_sessions=200),
        connected_client(certificates, port) as client,
    ):
        opened = [await within(client.open_session("n1", args=["cat"])) for _ in range(sessions)]
        done = asyncio.Event()

        async def busy(session: object) -> tuple[bytes, bytes]:
            sent, got, number = b"", b"", 0
            chunks = aiter(session)
            while not done.is_set() or number < 5:
                line = b"%d\n" % number
                number += 1
                await session.write(line)
                sent += line
                while len(got) < len(sent):
                    got += (await within(anext(chunks))).data
            session.eof()
            assert (await within(session.wait())).code == 0
            return sent, got

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(busy(session)) for session in opened]
            for number in range(reloads):
                if number == 5:
                    config.write_text(config.read_text() + "port = \n")
                process.send_signal(signal.SIGHUP)
                while (tmp_path / "log").read_text().count("reloaded") <= number:
                    await asyncio.sleep(0.05)
                if number == 5:
                    config.write_text(config.read_text().removesuffix("port = \n"))
            done.set()
        assert all(task.result()[0] == task.result()[1] for task in running)
    log = (tmp_path / "log").read_text()
    assert log.count('"reloaded') == reloads - 1
    assert log.count("not reloaded") == 1
    assert "-token" not in log
    assert process.poll() is None


async def test_sighup_names_file_line_and_key_of_a_wrong_value(
    tmp_path: Path, hub_process: tuple["subprocess.Popen[str]", int, Path]
) -> None:
    process, _, config = hub_process
    config.write_text(config.read_text() + 'login-limit = "often"\n')
    process.send_signal(signal.SIGHUP)
    log = tmp_path / "log"
    async with asyncio.timeout(DEADLINE):
        while "not reloaded" not in log.read_text():
            await asyncio.sleep(0.05)
    assert "hub.toml, line 7: 'login-limit': " in log.read_text()


async def test_records_have_stdout_for_themselves(certificates: Certificates, tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(
        f'host = "127.0.0.1"\nport = 0\ncert = "{certificates.cert}"\nkey = "{certificates.key}"\n'
        f'grant-token = ["a:b:c"]\nstate-dir = "{tmp_path / "state"}"\naudit-sink = ["stdout"]\nlog-level = "error"\n'
    )
    pipe = subprocess.PIPE
    with start_command("hub", "start", "--config", str(config), stdout=pipe, stderr=pipe) as process:
        assert process.stderr is not None
        try:
            line = await within(asyncio.to_thread(process.stderr.readline))
            assert line.startswith(b"hub listens on wss://127.0.0.1:")
        finally:
            process.terminate()
        out, _ = await within(asyncio.to_thread(process.communicate))
    actions = [json.loads(line)["action"] for line in out.splitlines()]
    assert [action for action in actions if action != "audit.head"] == ["hub.start", "hub.stop"]
    assert actions[-1] == "audit.head"

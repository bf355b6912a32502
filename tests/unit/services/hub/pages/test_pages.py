"""The plain pages, and the text of the metrics."""

from pathlib import Path

from support.in_one_test import in_one_test
from support.memory_hub import MemoryHub, memory_hub
from support.stack import Certificates

from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import DataOpcode
from omnyshell.security.authenticators import TokenAuthenticator
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.pages.pages import HubPages
from omnyshell.transport.plain_http import HttpReply, HttpRequest

METRICS = b"omnyshell_x 1\n"


class Asking:
    """Pages, and whoever asks for them."""

    def __init__(self, token: str | None = None, *, loopback: bool = False, why: str = "", audit: str = "") -> None:
        self.pages = HubPages(
            not_ready=lambda: why,
            audit=lambda: audit,
            metrics=lambda: METRICS,
            metrics_type="text/metrics",
            token=token,
            is_for_loopback=loopback,
        )

    def get(self, path: str, given: str | None = None, address: str = "192.0.2.1", method: str = "GET") -> HttpReply:
        headers = {} if given is None else {"authorization": given}
        return self.pages.answer(HttpRequest(method, path, headers, address))


@in_one_test(
    ("path", "method", "status"),
    [
        ("/healthz", "GET", 200),
        ("/healthz", "HEAD", 200),
        ("/readyz", "GET", 200),
        ("/", "GET", 426),
        ("/healthz/", "GET", 404),
        ("/metrics", "GET", 404),
        ("/other", "GET", 404),
        ("/healthz", "POST", 405),
        ("/other", "DELETE", 405),
    ],
)
def test_each_page_has_its_status(path: str, method: str, status: int) -> None:
    assert Asking().get(path, method=method).status == status


@in_one_test(
    ("why", "audit", "status", "body"),
    [
        ("", "", 200, b"ready\n"),
        ("", "2 gaps", 200, b"ready\naudit: 2 gaps\n"),
        ("the audit trail cannot be written", "", 503, b"the audit trail cannot be written\n"),
        ("the audit trail cannot be written", "2 gaps", 503, b"the audit trail cannot be written\n"),
    ],
)
def test_readiness_says_why_not(why: str, audit: str, status: int, body: bytes) -> None:
    reply = Asking(why=why, audit=audit).get("/readyz")
    assert (reply.status, reply.body) == (status, body)


@in_one_test(
    ("loopback", "given", "address", "status"),
    [
        (False, "Bearer secret", "192.0.2.1", 200),
        (False, "bearer   secret ", "192.0.2.1", 200),
        (False, "Bearer wrong", "192.0.2.1", 403),
        (False, "Bearer sécret", "192.0.2.1", 403),
        (False, "Basic secret", "192.0.2.1", 403),
        (False, None, "192.0.2.1", 401),
        (False, None, "127.0.0.1", 401),
        (True, None, "127.0.0.1", 200),
        (True, None, "::1", 200),
        (True, None, "::ffff:127.0.0.1", 200),
        (True, None, "192.0.2.1", 401),
        (True, None, "no address", 401),
        # A token that is given and wrong is wrong, wherever it comes from.
        (True, "Bearer wrong", "127.0.0.1", 403),
    ],
)
def test_metrics_are_for_who_has_the_token_and_for_loopback_where_that_is_said(
    loopback: bool, given: str | None, address: str, status: int
) -> None:
    reply = Asking("secret", loopback=loopback).get("/metrics", given, address)
    assert reply.status == status
    assert (reply.body == METRICS) == (status == 200)


def config(token: str | None, *, is_for_loopback: bool) -> HubConfig:
    return HubConfig(
        cert=Path(),
        key=Path(),
        authenticator=TokenAuthenticator(),
        metrics_token=token,
        metrics_from_loopback=is_for_loopback,
    )


def test_a_token_that_is_taken_away_opens_nothing_any_more() -> None:
    asking = Asking("secret")
    asking.pages.follow(config(None, is_for_loopback=True))
    assert asking.get("/metrics", "Bearer secret", "127.0.0.1").status == 403
    asking.pages.follow(config(None, is_for_loopback=False))
    assert asking.get("/metrics", "Bearer secret", "127.0.0.1").status == 404


def metrics(hub: MemoryHub) -> dict[str, float]:
    text = hub.get("/metrics", "127.0.0.1")[1].decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_metrics_count_what_goes_on(certificates: Certificates) -> None:
    with memory_hub(certificates, metrics_from_loopback=True) as hub:
        node, dev = hub.registers(labels={"allow-roles": "developer"}), hub.logs_in("dev")
        hub.logs_in("dev", token="wrong")
        hub.connects()
        channel, _ = hub.opens(dev, node)
        node.sends(channel, b"output", DataOpcode.STDOUT)
        dev.says(m.SessionOpen(node_id="n9"), 2)
        found = metrics(hub)
        assert found["omnyshell_logins_total"] == 2
        assert found["omnyshell_auth_failures_total"] == 1
        assert found['omnyshell_peers{role="client"}'] == 1
        assert found['omnyshell_peers{role="node"}'] == 1
        assert found['omnyshell_sessions{state="open"}'] == 1
        assert found["omnyshell_sessions_opened_total"] == 1
        assert found["omnyshell_sessions_rejected_total"] == 1
        assert found["omnyshell_relayed_bytes_total"] == 6
        assert found["omnyshell_nodes_online"] == 1
        assert found["omnyshell_send_queue_bytes"] == 0
        node.leaves()
        assert metrics(hub)['omnyshell_sessions{state="open"}'] == 0


def test_a_slow_peer_shows_in_the_metrics(certificates: Certificates) -> None:
    with memory_hub(certificates, metrics_from_loopback=True) as hub:
        node, dev = hub.registers(labels={"allow-roles": "developer"}), hub.logs_in("dev")
        channel, _ = hub.opens(dev, node)
        dev.reads(False)
        for _ in range(2):
            node.sends(channel, b"x" * 50_000, DataOpcode.STDOUT)
        found = metrics(hub)
        assert found["omnyshell_send_queue_max_bytes"] >= 100_000
        dev.reads(True)
        assert len(dev.data(1)) == 100_000
        assert metrics(hub)["omnyshell_send_queue_bytes"] == 0

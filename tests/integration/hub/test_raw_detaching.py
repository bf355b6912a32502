"""Detached sessions between a real hub and peers that know docs/protocol.md#detached-sessions alone."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.raw_peer import STDOUT, RawPeer, logged_in, open_session, registered
from support.stack import Certificates, hub_config, until, within

from omnyshell import OmnyShellHub

TS = "2026-01-02T03:04:05.678Z"
INFO = {
    "sessionId": "0a1b2c3d-0000-4000-8000-000000000000",
    "shortId": "0a1b2c3d",
    "nodeId": "n1",
    "ownerUserId": "admin",
    "mode": "shell",
    "createdAt": TS,
    "state": "detached",
}


@pytest.fixture
async def hub(certificates: Certificates) -> AsyncIterator[OmnyShellHub]:
    async with OmnyShellHub(hub_config(certificates)) as started:
        yield started


@contextlib.asynccontextmanager
async def pair(
    certificates: Certificates, hub: OmnyShellHub, *, features: tuple[str, ...] = (), **node: Any
) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    """A client of the admin and the node n1."""
    async with (
        registered(certificates, hub.port, features=features, **node) as box,
        logged_in(certificates, hub.port, "client", "admin", features) as client,
    ):
        yield client, box


INFO_OF_ANOTHER = {"sessionId": "deadbeef-0000-4000-8000-000000000000", "shortId": "deadbeef"}


def audited(hub: OmnyShellHub, action: str) -> list[tuple[str, str]]:
    return [(record.principal, record.outcome) for record in hub.audit if record.action == action]


async def test_a_detach_ends_the_channel_behind_its_last_output(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with pair(certificates, hub) as (client, node):
        channel = await open_session(client, node, mode="shell")
        await client.say("session.detach.request", {"timeoutSeconds": 60}, 1)
        asked = await node.hear("node.session.detach")
        assert asked["c"] == channel
        assert asked["d"] == {
            "sessionId": next(iter(hub.sessions)).asked_id,
            "principal": "admin",
            "timeoutSeconds": 60,
        }
        await node.send_data(STDOUT, channel, b"last words")
        id_ = asked["d"]["sessionId"]
        # Which session it is, is not the node's to say.
        await node.say("node.session.detached", INFO_OF_ANOTHER | {"expiresAt": TS}, channel)
        # What comes too late reaches nobody.
        await node.say("channel.exit", {"exitCode": 0}, channel)
        await node.say("channel.close", {}, channel)
        assert (await client.hear())[10:] == b"last words"
        told = await client.hear("session.detached")
        assert (told["c"], told["d"]) == (1, {"sessionId": id_, "shortId": id_[:8], "expiresAt": TS})
        await client.say("channel.close", {"reason": "client_closed"}, 1)
        await client.still_there()
        await node.still_there()
        assert len(hub.sessions) == 0
        assert audited(hub, "session.detach") == [("admin", "ok")]


async def test_a_resume_is_an_open_that_names_a_session(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with pair(certificates, hub) as (client, node):
        request = {"nodeId": "n1", "mode": "shell", "pty": {"cols": 70, "rows": 20}, "resumeSessionId": "0a1b"}
        await client.say("session.open", request | {"offsets": True, "outputOffset": 5}, 3)
        asked = await node.hear("node.session.open")
        assert asked["d"]["resumeSessionId"] == "0a1b"
        assert "offsets" not in asked["d"]
        assert "outputOffset" not in asked["d"]
        opened = {"sessionId": INFO["sessionId"], "altScreen": True, "offsets": True, "reset": True}
        await node.say("node.session.opened", opened, asked["c"])
        told = await client.hear("session.opened")
        assert told["d"] == {"sessionId": INFO["sessionId"], "pty": True, "altScreen": True}
        await node.say("channel.paint", {"size": 3}, asked["c"])
        await node.say("channel.window", {"stream": "stdin", "credit": 7, "offset": 9}, asked["c"])
        assert (await client.hear("channel.window"))["d"] == {"stream": "stdin", "credit": 7}
        assert audited(hub, "session.resume") == [("admin", "ok")]
        for reason in ("not_found", "ambiguous"):
            await client.say("session.open", request, 4)
            asked = await node.hear("node.session.open")
            await node.say("node.session.rejected", {"reason": reason, "message": "no"}, asked["c"])
            assert (await client.hear("session.rejected"))["d"] == {"reason": reason, "message": "no"}


async def test_offsets_pass_between_peers_that_announced_them(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with pair(certificates, hub, features=("resume-offset",)) as (client, node):
        await client.say(
            "session.open", {"nodeId": "n1", "resumeSessionId": "0A1B", "offsets": True, "outputOffset": 5}, 1
        )
        asked = await node.hear("node.session.open")
        assert (asked["d"]["offsets"], asked["d"]["outputOffset"]) == (True, 5)
        where = {"offsets": True, "outputOffset": 5, "inputOffset": 2, "inputEnded": True}
        await node.say("node.session.opened", {"sessionId": INFO["sessionId"], **where}, asked["c"])
        assert (await client.hear("session.opened"))["d"] == {"sessionId": INFO["sessionId"], "pty": False, **where}
        await node.say("channel.paint", {"size": 3}, asked["c"])
        await node.send_data(STDOUT, asked["c"], b"abc")
        assert (await client.hear("channel.paint"))["d"] == {"size": 3}
        assert (await client.hear())[10:] == b"abc"
        window = {"stream": "stdout", "credit": 3, "offset": 8}
        await client.say("channel.window", window, 1)
        assert (await node.hear("channel.window"))["d"] == window
        # The client has heard of the exit: it closes.
        await node.say("channel.exit", {"exitCode": 4, "ts": TS}, asked["c"])
        assert (await client.hear("channel.exit"))["d"]["exitCode"] == 4
        await client.say("channel.close", {"reason": "normal"}, 1)
        assert (await node.hear("channel.close"))["d"] == {"reason": "normal"}


REQUESTS = [
    ("list", {}, {}, {"sessions": [INFO]}, {"sessions": [INFO]}),
    (
        "kill",
        {"sessionRef": "0a1b"},
        {"sessionRef": "0a1b"},
        {"ok": True, "message": "0a1b2c3d is gone"},
        {"ok": True, "message": "0a1b2c3d is gone"},
    ),
    (
        "detach",
        {"timeoutSeconds": 5},
        {"timeoutSeconds": 5},
        {"ok": True, "shortId": "s"},
        {"ok": True, "shortId": "s"},
    ),
    (
        "screen",
        {"sessionRef": "s", "etag": "e"},
        {"sessionRef": "s"},
        {"ok": True, "screen": "AA==", "altScreen": True, "etag": "x", "same": True, "exitCode": 3},
        {"ok": True, "screen": "AA==", "altScreen": True},
    ),
]


@pytest.mark.parametrize(("what", "given", "asked_of_node", "said", "told"), REQUESTS)
async def test_requests_reach_the_node_and_answers_only_who_asked(
    certificates: Certificates, hub: OmnyShellHub, what: str, given: dict[str, Any], asked_of_node: dict[str, Any],
    said: dict[str, Any], told: dict[str, Any],
) -> None:  # fmt: skip
    async with (
        pair(certificates, hub) as (client, node),
        logged_in(certificates, hub.port, "client", "admin") as other,
        registered(certificates, hub.port, "n2") as stranger,
    ):
        ids = []
        for peer in (client, other):
            await peer.say(f"sessions.{what}.request", {"requestId": "same", "nodeId": "n1", **given})
            asked = await node.hear(f"node.sessions.{what}.request")
            ids.append(asked["d"].pop("requestId"))
            assert asked["d"] == {"principal": "admin", **asked_of_node}
        assert len({*ids, "same"}) == 3
        # Neither another node nor another kind of answer counts, nor one that nobody asked for.
        await stranger.say(f"node.sessions.{what}.response", {"requestId": ids[0], **said})
        await node.say(
            "node.sessions.list.response" if what != "list" else "node.sessions.kill.response", {"requestId": ids[0]}
        )
        await node.say(f"node.sessions.{what}.response", {"requestId": "same", **said})
        await stranger.still_there()
        await node.still_there()
        await node.say(f"node.sessions.{what}.response", {"requestId": ids[1], **said})
        assert (await other.hear(f"sessions.{what}.response"))["d"] == {"requestId": "same", **told}
        await node.say(f"node.sessions.{what}.response", {"requestId": ids[0], **said})
        assert (await client.hear(f"sessions.{what}.response"))["d"] == {"requestId": "same", **told}
        await node.say(f"node.sessions.{what}.response", {"requestId": ids[0], **said})
        await client.still_there()
        action = {"screen": "peek"}.get(what, what)
        assert audited(hub, f"session.{action}") == [("admin", "ok")] * 2


async def test_etags_pass_between_peers_that_announced_them(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with pair(certificates, hub, features=("screen-etag",)) as (client, node):
        for answer in (
            {"ok": True, "etag": "y", "same": True, "exitCode": 0},
            {"ok": True, "etag": "z", "screen": "AA=="},
        ):
            await client.say(
                "sessions.screen.request", {"requestId": "r", "nodeId": "n1", "sessionRef": "s", "etag": ""}
            )
            asked = await node.hear("node.sessions.screen.request")
            assert asked["d"]["etag"] == ""
            await node.say("node.sessions.screen.response", {"requestId": asked["d"]["requestId"], **answer})
            assert (await client.hear("sessions.screen.response"))["d"] == {"requestId": "r", **answer}


@pytest.mark.parametrize("what", ["list", "screen"])
async def test_who_looks_again_and_again_is_audited_once_a_minute(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    action = {"screen": "session.peek"}.get(what, "session.list")
    async with pair(certificates, hub) as (client, node):

        async def look(ref: str, *, ok: bool = True) -> None:
            ask = {"requestId": "r", "nodeId": "n1", **({"sessionRef": ref} if what == "screen" else {})}
            await client.say(f"sessions.{what}.request", ask)
            asked = await node.hear(f"node.sessions.{what}.request")
            await node.say(f"node.sessions.{what}.response", {"requestId": asked["d"]["requestId"], "ok": ok})
            await client.hear(f"sessions.{what}.response")

        for _ in range(3):
            await look("a")
        assert audited(hub, action) == [("admin", "ok")]
        if what == "screen":
            await look("b")
            await look("a", ok=False)
            assert audited(hub, action)[1:] == [("admin", "ok"), ("admin", "error")]
        known = len(audited(hub, action))
        monkeypatch.setattr("omnyshell.services.hub.sessions.looks.LOOK_PERIOD", 0.0)
        await look("a")
        assert len(audited(hub, action)) == known + 1


async def test_looks_that_are_refused_again_and_again_are_one_record(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with (
        registered(certificates, hub.port, labels={"allow-roles": "nobody"}),
        logged_in(certificates, hub.port, "client", "dev") as client,
    ):
        for ref in ("a", "a", "a", "b", "a"):
            await client.say("sessions.screen.request", {"requestId": "r", "nodeId": "n1", "sessionRef": ref})
            assert not (await client.hear("sessions.screen.response"))["d"]["ok"]
        assert audited(hub, "session.peek") == [("dev", "denied")] * 2


@pytest.mark.parametrize("what", ["kill", "detach", "screen"])
async def test_a_refusal_always_has_a_message(certificates: Certificates, hub: OmnyShellHub, what: str) -> None:
    async with pair(certificates, hub) as (client, node):
        await client.say(f"sessions.{what}.request", {"requestId": "r", "nodeId": "n1", "sessionRef": "s"})
        asked = await node.hear(f"node.sessions.{what}.request")
        await node.say(f"node.sessions.{what}.response", {"requestId": asked["d"]["requestId"]})
        assert (await client.hear(f"sessions.{what}.response"))["d"] == refused(what, "The node refused it")


def refused(what: str, message: str) -> dict[str, Any]:
    return {"requestId": "r", "sessions": []} if what == "list" else {"requestId": "r", "ok": False, "message": message}


@pytest.mark.parametrize("what", ["list", "kill", "detach", "screen"])
async def test_nobody_waits_for_an_answer_that_does_not_come(
    certificates: Certificates, hub: OmnyShellHub, what: str
) -> None:
    ask = {"requestId": "r", "nodeId": "n1", "sessionRef": "s"}
    async with logged_in(certificates, hub.port, "client", "dev") as client:
        await client.say(f"sessions.{what}.request", ask)
        assert (await client.hear(f"sessions.{what}.response"))["d"] == refused(what, "Node offline")
        async with registered(certificates, hub.port) as node:
            await client.say(f"sessions.{what}.request", ask)
            assert (await client.hear(f"sessions.{what}.response"))["d"] == refused(what, "Not authorized")
            await node.still_there()
        await until(lambda: len(hub.nodes) == 0)
        async with registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node:
            await client.say(f"sessions.{what}.request", ask)
            await node.hear(f"node.sessions.{what}.request")
        # The node has gone.
        assert (await client.hear(f"sessions.{what}.response"))["d"] == refused(what, "Timed out")
    action = {"screen": "peek"}.get(what, what)
    assert audited(hub, f"session.{action}") == [("dev", "error"), ("dev", "denied"), ("dev", "error")]


async def test_a_silent_node_costs_ten_seconds(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.hub.sessions.relayed_requests.RELAYED_REQUEST_TIMEOUT", 0.3)
    async with pair(certificates, hub) as (client, node):
        await client.say("sessions.kill.request", {"requestId": "r", "nodeId": "n1", "sessionRef": "s"})
        asked = await node.hear("node.sessions.kill.request")
        assert (await client.hear("sessions.kill.response"))["d"] == refused("kill", "Timed out")
        await node.say("node.sessions.kill.response", {"requestId": asked["d"]["requestId"], "ok": True})
        await client.still_there()


async def test_a_flood_of_requests_is_refused_and_harms_no_node(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with pair(certificates, hub) as (client, node):
        for number in range(200):
            await client.say("sessions.kill.request", {"requestId": f"{number}", "nodeId": "n1", "sessionRef": "s"})
        for _ in range(136):
            assert (await client.hear("sessions.kill.response"))["d"]["message"] == "Too many requests at once"
        for _ in range(64):
            await node.hear("node.sessions.kill.request")
        await node.still_there()


async def test_a_detach_of_nothing_is_dropped(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with pair(certificates, hub) as (client, node):
        await client.say("session.detach.request", {}, 9)
        await client.say("session.detach.request")
        await node.say("node.session.detached", {"sessionId": INFO["sessionId"]}, 9)
        await client.say("node.session.detached", {"sessionId": INFO["sessionId"]}, 1)
        await client.still_there()
        await node.still_there()
        assert hub.metrics.frames_dropped >= 4


async def test_a_taken_over_client_that_does_not_read_holds_nobody_up(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with pair(certificates, hub) as (client, node):
        channel = await open_session(client, node, mode="shell")
        async with logged_in(certificates, hub.port, "client", "admin") as other:
            await other.say("session.open", {"nodeId": "n1", "mode": "shell", "resumeSessionId": INFO["sessionId"]}, 1)
            asked = await node.hear("node.session.open")
            await node.say("node.session.detached", {"sessionId": INFO["sessionId"]}, channel)
            await node.say("node.session.opened", {"sessionId": INFO["sessionId"]}, asked["c"])
            assert (await within(other.hear("session.opened"), 1))["d"]["sessionId"] == INFO["sessionId"]
            assert len(hub.sessions) == 1
        assert (await client.hear("session.detached"))["c"] == 1


@pytest.mark.parametrize("who", ["client", "node"])
async def test_the_other_roles_messages_are_dropped(certificates: Certificates, hub: OmnyShellHub, who: str) -> None:
    async with pair(certificates, hub) as peers:
        peer = peers[0] if who == "client" else peers[1]
        prefix = "node.sessions" if who == "client" else "sessions"
        for what in ("list", "kill", "detach", "screen"):
            await peer.say(
                f"{prefix}.{what}.request", {"requestId": "r", "nodeId": "n1", "principal": "p", "sessionRef": "s"}
            )
        await peer.still_there()
        assert hub.metrics.frames_dropped >= 4


async def test_a_detached_session_leaves_room_for_another(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with pair(certificates, hub) as (client, node):
        await node.say("node.capabilities", {"maxSessions": 1})
        channel = await open_session(client, node, mode="shell")
        await client.say("session.open", {"nodeId": "n1", "mode": "shell"}, 2)
        assert (await client.hear("session.rejected"))["d"]["reason"] == "capacity_exceeded"
        await node.say("node.session.detached", {"sessionId": INFO["sessionId"]}, channel)
        await client.hear("session.detached")
        await open_session(client, node, 3, mode="shell")


async def test_taking_a_session_over_needs_no_room(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with pair(certificates, hub) as (client, node):
        await node.say("node.capabilities", {"maxSessions": 1})
        await open_session(client, node, mode="shell")
        ref = next(iter(hub.sessions)).session.id[:8].upper()
        await client.say("session.open", {"nodeId": "n1", "mode": "shell", "resumeSessionId": ref}, 2)
        assert (await node.hear("node.session.open"))["d"]["resumeSessionId"] == ref
        await client.say("session.open", {"nodeId": "n1", "mode": "shell", "resumeSessionId": "zz"}, 3)
        assert (await client.hear("session.rejected"))["d"]["reason"] == "capacity_exceeded"

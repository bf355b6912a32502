"""The extension `admin` spoken by peers that know docs/extensions.md and nothing of this package's codec."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from support.deadline import DEADLINE
from support.hub_process import hub_process
from support.raw_admin import ADMIN, ask, b64, log_in, try_join
from support.raw_peer import RawPeer, logged_in, open_session, registered, stranger
from support.stack import Certificates, hub_config, running_node, until

from omnyshell import OmnyShellHub
from omnyshell.services.hub.audit.query import verify_trail
from omnyshell.services.hub.audit.store import load_audit_key
from omnyshell.services.hub.ground.state_names import AUDIT_FILE


@pytest.fixture
async def hub(certificates: Certificates, tmp_path: Path) -> AsyncIterator[OmnyShellHub]:
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path)) as started:
        yield started
    assert verify_trail(tmp_path / AUDIT_FILE, load_audit_key(tmp_path).public_key).findings == ()


async def enrolled(admin: RawPeer) -> Any:
    """The only principal of the hub's database."""
    answer = await ask(admin, "admin.principals.request", "admin.principals.response")
    return next((one for one in answer["principals"] if one.get("source", "hub") == "hub"), None)


def actions(hub: OmnyShellHub) -> list[tuple[str, str]]:
    return [(record.action, record.outcome) for record in hub.audit]


async def test_who_is_no_admin_is_refused_and_audited(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "dev", ADMIN) as dev:
        answer = await ask(dev, "admin.principal.add", principal="eve", roles=["admin"])
        assert (answer["ok"], answer["code"]) == (False, "not_authorized")
        assert (await ask(dev, "admin.hub.request"))["ok"] is False
    assert actions(hub).count(("admin.principal.add", "denied")) == 1
    assert hub.audit.writer is not None


async def test_who_did_not_announce_it_gets_no_answer(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "admin") as admin:
        await admin.say("admin.hub.request", {"requestId": "r"})
        await admin.say("ping", {"id": "p", "ts": "2026-01-01T00:00:00Z"})
        assert (await admin.hear())["t"] == "pong"


async def test_a_principal_with_a_token_comes_works_and_goes(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node,
    ):
        added = await ask(admin, "admin.principal.add", principal="eve", displayName="Eve", roles=["developer"])
        assert added == {"ok": True}
        assert (await ask(admin, "admin.principal.add", principal="eve"))["ok"] is False
        assert (await ask(admin, "admin.principal.add", principal="dev"))["ok"] is False
        made = await ask(admin, "admin.token.add", "admin.token.added", principal="eve", label="laptop")
        shown = await ask(admin, "admin.principals.request", "admin.principals.response")
        assert [one["principal"] for one in shown["principals"] if one.get("source") == "configuration"] == [
            "admin",
            "box",
            "dev",
        ]
        eve = await enrolled(admin)
        assert (eve["principal"], eve["roles"], eve["createdBy"]) == ("eve", ["developer"], "admin")
        assert [(one["id"], one["kind"], one["label"]) for one in eve["credentials"]] == [
            (made["credentialId"], "token", "laptop")
        ]
        assert made["token"] not in str(shown)
        async with stranger(certificates, hub.port) as peer:
            await peer.greet("client")
            await peer.say("auth.request", {"method": "token", "principal": "eve", "token": made["token"]})
            assert (await peer.hear("auth.ok"))["d"]["displayName"] == "Eve"
            channel = await open_session(peer, node)
            async with asyncio.timeout(DEADLINE):
                assert await ask(admin, "admin.principal.revoke", principal="eve") == {"ok": True}
                closed = await node.hear("channel.close")
                assert (closed["c"], closed["d"]["reason"]) == (channel, "client_closed")
                assert (await peer.hear("channel.close"))["d"]["reason"] == "error"
                assert (await peer.hear("error"))["d"]["code"] == "auth_failed"
                assert (await peer.hear_close())[0] == 4400
        assert await enrolled(admin) is None
        await node.still_there()
    done = [action for action, outcome in actions(hub) if outcome == "ok"]
    assert [one for one in done if one.split(".")[0] in ("principal", "token")] == [
        "principal.add",
        "token.add",
        "principal.revoke",
    ]
    assert made["token"] not in "".join(record.detail for record in hub.audit)


async def token_login(certificates: Certificates, port: int, token: str) -> str:
    async with stranger(certificates, port) as peer:
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": "eve", "token": token})
        return str((await peer.hear())["t"])


async def test_a_rotated_token_goes_on_for_the_overlap(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        await ask(admin, "admin.principal.add", principal="eve")
        old = await ask(admin, "admin.token.add", "admin.token.added", principal="eve")
        new = await ask(admin, "admin.token.rotate", "admin.token.added", principal="eve", overlapSeconds=2)
        assert await token_login(certificates, hub.port, old["token"]) == "auth.ok"
        assert await token_login(certificates, hub.port, new["token"]) == "auth.ok"
        async with stranger(certificates, hub.port) as peer:
            await peer.greet("client")
            await peer.say("auth.request", {"method": "token", "principal": "eve", "token": old["token"]})
            await peer.hear("auth.ok")
            assert (await peer.hear("error"))["d"]["code"] == "auth_failed"
        assert await token_login(certificates, hub.port, old["token"]) == "auth.fail"
        assert await token_login(certificates, hub.port, new["token"]) == "auth.ok"


@pytest.mark.parametrize("what", ["admin.token.rotate", "admin.principal.revoke", "admin.peer.drop"])
async def test_who_ends_its_own_login_hears_the_answer_first(
    certificates: Certificates, hub: OmnyShellHub, what: str
) -> None:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        await ask(admin, "admin.principal.add", principal="eve", roles=["admin"])
        made = await ask(admin, "admin.token.add", "admin.token.added", principal="eve")
        async with stranger(certificates, hub.port) as eve:
            await eve.greet("client", features=list(ADMIN))
            await eve.say("auth.request", {"method": "token", "principal": "eve", "token": made["token"]})
            await eve.hear("auth.ok")
            peers = (await ask(eve, "admin.peers.request", "admin.peers.response"))["peers"]
            own = next(peer["peerId"] for peer in peers if peer["principal"] == "eve")
            of_eve: dict[str, Any] = {"peerId": own} if "peer" in what else {"principal": "eve"}
            if what == "admin.token.rotate":
                answer = await ask(eve, what, "admin.token.added", **of_eve, overlapSeconds=0)
                assert await token_login(certificates, hub.port, answer["token"]) == "auth.ok"
            else:
                assert await ask(eve, what, **of_eve) == {"ok": True}
            assert (await eve.hear("error"))["d"]["fatal"] is True
            assert (await eve.hear_close())[0] == 4400
        await admin.still_there()


async def test_revoking_one_key_leaves_the_other(certificates: Certificates, hub: OmnyShellHub) -> None:
    keys = [Ed25519PrivateKey.generate() for _ in range(2)]
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        await ask(admin, "admin.principal.add", principal="eve", roles=["developer"])
        ids = [
            (await ask(admin, "admin.key.add", principal="eve", publicKey=b64(key.public_key().public_bytes_raw())))[
                "id"
            ]
            for key in keys
        ]
        assert (await ask(admin, "admin.key.add", principal="eve", publicKey="AAAA"))["ok"] is False
        async with stranger(certificates, hub.port) as first, stranger(certificates, hub.port) as second:
            assert (await log_in(first, "client", "eve", keys[0]))["t"] == "auth.ok"
            assert (await log_in(second, "client", "eve", keys[1]))["t"] == "auth.ok"
            assert (await ask(admin, "admin.credential.revoke", principal="eve", credentialId=ids[0]))["ok"]
            assert (await first.hear("error"))["d"]["code"] == "auth_failed"
            await second.still_there()
            assert (await ask(admin, "admin.principal.roles", principal="eve", roles=[]))["ok"]
            assert (await second.hear("error"))["d"]["code"] == "auth_failed"


async def test_live_things_are_listed_and_ended(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node,
        logged_in(certificates, hub.port, "client", "dev") as dev,
    ):
        await open_session(dev, node)
        (session,) = (await ask(admin, "admin.sessions.request", "admin.sessions.response"))["sessions"]
        assert (session["principal"], session["nodeId"], session["state"]) == ("dev", "n1", "open")
        assert (await ask(admin, "admin.session.close", sessionRef="zz"))["code"] == "not_found"
        assert (await ask(admin, "admin.session.close", sessionRef=session["sessionId"][:8]))["ok"]
        assert (await dev.hear("channel.close"))["d"]["reason"] == "node_closed"
        assert (await node.hear("channel.close"))["d"]["reason"] == "client_closed"
        peers = (await ask(admin, "admin.peers.request", "admin.peers.response"))["peers"]
        assert sorted((peer["role"], peer["principal"], peer.get("nodeId")) for peer in peers) == [
            ("client", "admin", None),
            ("client", "dev", None),
            ("node", "box", "n1"),
        ]
        target = next(peer["peerId"] for peer in peers if peer["role"] == "node")
        assert (await ask(admin, "admin.node.release", nodeId="n1"))["ok"] is False
        assert (await ask(admin, "admin.peer.drop", peerId=target))["ok"]
        assert (await node.hear("error"))["d"]["fatal"] is True
        await node.hear_close()
        assert hub.nodes.find("n1") is None
        (record,) = (await ask(admin, "admin.nodes.request", "admin.nodes.response"))["nodes"]
        assert record == {"nodeId": "n1", "principal": "box", "online": False, "hubLabels": {}}
        assert (await ask(admin, "admin.node.release", nodeId="n1"))["ok"]
        assert (await ask(admin, "admin.nodes.request", "admin.nodes.response"))["nodes"] == []
        info = await ask(admin, "admin.hub.request", "admin.hub.response")
        assert (info["peers"], info["nodes"], info["sessions"]) == (2, 0, 0)
        ca = x509.load_pem_x509_certificate(certificates.ca.read_bytes()).public_bytes(Encoding.DER)
        assert info["caFingerprint"] == "sha256:" + hashlib.sha256(ca).hexdigest()
        found = await ask(admin, "admin.audit.request", "admin.audit.response", action="admin.session.*", limit=5)
        assert [(one["action"], one["principal"], one["address"]) for one in found["records"]] == [
            ("admin.session.close", "admin", "127.0.0.1")
        ] * 2
        assert (await ask(admin, "admin.tunnels.request", "admin.tunnels.response"))["tunnels"] == []
        assert (await ask(admin, "admin.tunnel.close", tunnelRef="x"))["code"] == "not_found"


@pytest.mark.parametrize(("leaves", "code"), [(True, "node_offline"), (False, "timeout")], ids=["leaves", "is silent"])
async def test_an_admin_is_told_of_a_node_that_does_not_answer(
    leaves: bool, code: str, certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.hub.nodes.questions.ANSWER_TIMEOUT", 30.0 if leaves else 0.1)
    async with (
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        registered(certificates, hub.port) as node,
    ):
        ref = {"sessionRef": "3f2a", "nodeId": "n1", "principal": "dev"}
        await admin.say("admin.session.close", {"requestId": "r", **ref})
        id_ = (await node.hear("node.sessions.kill.request"))["d"]["requestId"]
        # An answer to something else is none, whatever it is called.
        await node.say("node.sessions.list.response", {"requestId": id_})
        await node.say("node.sessions.live.response", {"requestId": id_})
        if leaves:
            await node.ws.close()
        result = (await admin.hear("admin.result"))["d"]
        assert (result["requestId"], result.get("ok", False), result["code"]) == ("r", False, code)
        assert len(hub._services.questions) == 0


async def test_a_session_that_waits_detached_is_ended_in_its_owners_name(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with (
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        registered(certificates, hub.port) as node,
    ):
        detached = {"sessionRef": "3f2a", "nodeId": "n1", "principal": "dev"}
        for code, answer in ((None, {"ok": True}), ("not_found", {"ok": False, "message": "no such session"})):
            await admin.say("admin.session.close", {"requestId": "r", **detached})
            asked = (await node.hear("node.sessions.kill.request"))["d"]
            id_ = asked.pop("requestId")
            assert asked == {"principal": "dev", "sessionRef": "3f2a"}
            await node.say("node.sessions.kill.response", {"requestId": id_, **answer})
            result = (await admin.hear("admin.result"))["d"]
            assert (result["requestId"], result["ok"], result.get("code")) == ("r", answer["ok"], code)
        assert (await ask(admin, "admin.session.close", **{**detached, "nodeId": "n2"}))["code"] == "node_offline"
        assert (await ask(admin, "admin.session.close", sessionRef="3f2a"))["code"] == "not_found"
        asked = [record for record in hub.audit if record.action == "admin.session.close" and record.outcome == "ok"]
        assert [(one.principal, one.address, one.node_id, one.detail) for one in asked] == [
            ("admin", "127.0.0.1", "n1", "3f2a of dev")
        ] * 2


async def test_labels_of_the_hub_are_a_ceiling_at_once_and_after_a_restart(
    certificates: Certificates, tmp_path: Path
) -> None:
    config = hub_config(certificates, state_dir=tmp_path)
    async with (
        OmnyShellHub(config) as hub,
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node,
        logged_in(certificates, hub.port, "client", "dev") as dev,
    ):
        await open_session(dev, node)
        assert (await ask(admin, "admin.node.labels", nodeId="n1", labels={"allow-roles": "operator"}))["ok"]
        assert (await dev.hear("channel.close"))["d"]["reason"] == "error"
        await dev.say("session.open", {"nodeId": "n1"}, 2)
        assert (await dev.hear("session.rejected"))["d"]["reason"] == "not_authorized"
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port, labels={"allow-roles": "developer"}),
        logged_in(certificates, hub.port, "client", "dev") as dev,
    ):
        await dev.say("session.open", {"nodeId": "n1"}, 2)
        assert (await dev.hear("session.rejected"))["d"]["reason"] == "not_authorized"


async def invite(certificates: Certificates, hub: OmnyShellHub, **data: Any) -> dict[str, Any]:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        return await ask(admin, "admin.invite.create", "admin.invite.created", **data)


async def test_a_node_joins_once_and_must_bind_its_logins(certificates: Certificates, hub: OmnyShellHub) -> None:
    labels = {"env": "prod", "allow-roles": "developer"}
    made = await invite(certificates, hub, kind="node", nodeId="db-1", labels=labels)
    key, thief = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    answer, code = await try_join(certificates, hub.port, "node", made["token"], key, nodeId="db-2")
    assert (answer["t"], answer["d"]["reason"], code) == ("join.refused", "other_id", 4401)
    assert "db-1" in answer["d"]["message"]
    answer, _ = await try_join(certificates, hub.port, "client", made["token"], key)
    assert (answer["t"], answer["d"]["reason"]) == ("join.refused", "other_kind")
    answer, code = await try_join(certificates, hub.port, "node", made["token"], key, suggestedId="box")
    assert (answer["t"], code) == ("join.accepted", 1000)
    assert answer["d"] == {
        "kind": "node",
        "principal": "node:db-1",
        "roles": ["node"],
        "nodeId": "db-1",
        "labels": labels,
    }
    answer, code = await try_join(certificates, hub.port, "node", made["token"], thief)
    assert (answer["t"], answer["d"]["reason"], code) == ("join.refused", "used", 4401)
    async with stranger(certificates, hub.port) as peer:
        assert (await log_in(peer, "node", "node:db-1", key, proof=0))["t"] == "auth.fail"
    async with stranger(certificates, hub.port) as node:
        assert (await log_in(node, "node", "node:db-1", key))["t"] == "auth.ok"
        await node.say("node.register", {"nodeId": "db-1", "platform": {"os": "linux", "arch": "x64"}})
        await node.hear("node.registered")
        assert hub.nodes.hub_labels["db-1"] == labels
        # Under a new invite for its id the machine joins anew, and its old key is worth nothing.
        again = await invite(certificates, hub, kind="node", nodeId="db-1")
        answer, _ = await try_join(certificates, hub.port, "node", again["token"], thief)
        assert answer["t"] == "join.accepted"
        assert (await node.hear("error"))["d"]["code"] == "auth_failed"
    # Its login is that of one node: what the invite says of that id, a ceiling say, holds for no other.
    async with stranger(certificates, hub.port) as node:
        assert (await log_in(node, "node", "node:db-1", thief))["t"] == "auth.ok"
        await node.say("node.register", {"nodeId": "free", "platform": {"os": "linux", "arch": "x64"}})
        assert (await node.hear("error"))["d"]["code"] == "not_authorized"
        assert (await node.hear_close())[0] == 4400
    # An invite for any id does not give a taken one.
    free = await invite(certificates, hub, kind="node")
    answer, _ = await try_join(certificates, hub.port, "node", free["token"], key, nodeId="db-1")
    assert answer["d"]["reason"] == "id_taken"
    answer, _ = await try_join(certificates, hub.port, "node", free["token"], key)
    assert answer["d"]["reason"] == "bad_id"


async def test_wrong_tokens_and_proofs_are_refused_like_any_login(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    key = Ed25519PrivateKey.generate()
    made = await invite(certificates, hub, kind="user", principal="eve")
    for token, data in (
        ("wrong", {}),
        (made["token"], {"signature": b64(bytes(64))}),
        (made["token"], {"publicKey": b64(Ed25519PrivateKey.generate().public_key().public_bytes_raw())}),
        (made["token"], {"publicKey": "no key"}),
    ):
        answer, code = await try_join(certificates, hub.port, "client", token, key, **data)
        assert (answer["t"], answer["d"]["message"], code) == ("auth.fail", "Authentication failed", 4401)
    async with stranger(certificates, hub.port) as peer:
        await peer.say("join.request", {"token": "t", "publicKey": "k", "signature": "s"})
        assert (await peer.hear("error"))["d"]["code"] == "not_authenticated"
    answer, _ = await try_join(certificates, hub.port, "client", made["token"], key)
    assert answer["d"]["principal"] == "eve"


async def test_two_that_use_one_token_at_once_do_not_both_join(certificates: Certificates, hub: OmnyShellHub) -> None:
    made = await invite(certificates, hub, kind="user", principal="eve", roles=["developer"])
    answers = await asyncio.gather(
        *(try_join(certificates, hub.port, "client", made["token"], Ed25519PrivateKey.generate()) for _ in range(4))
    )
    assert sorted(answer["t"] for answer, _ in answers) == ["join.accepted"] + ["join.refused"] * 3


async def test_an_invite_expires_and_can_be_revoked(certificates: Certificates, hub: OmnyShellHub) -> None:
    key = Ed25519PrivateKey.generate()
    short = await invite(certificates, hub, kind="user", principal="eve", ttlSeconds=1)
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.invite.create", kind="user", principal="dev"))["ok"] is False
        assert (await ask(admin, "admin.invite.create", kind="user", principal="x", ttlSeconds=0))["ok"] is False
        other = await ask(admin, "admin.invite.create", "admin.invite.created", kind="user", principal="bob")
        listed = (await ask(admin, "admin.invites.request", "admin.invites.response"))["invites"]
        assert other["inviteId"] in [one["inviteId"] for one in listed]
        assert (await ask(admin, "admin.invite.revoke", inviteId=other["inviteId"]))["ok"]
        assert (await ask(admin, "admin.invite.revoke", inviteId=other["inviteId"]))["ok"] is False
    answer, _ = await try_join(certificates, hub.port, "client", other["token"], key)
    assert answer["t"] == "auth.fail"

    async def is_expired() -> bool:
        async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
            return (await ask(admin, "admin.invites.request", "admin.invites.response"))["invites"] == []

    async with asyncio.timeout(DEADLINE):
        while not await is_expired():
            await asyncio.sleep(0.1)
    answer, _ = await try_join(certificates, hub.port, "client", short["token"], key)
    assert (answer["t"], answer["d"]["reason"]) == ("join.refused", "expired")


async def test_nothing_is_done_that_cannot_be_audited(certificates: Certificates, hub: OmnyShellHub) -> None:
    assert hub.audit.writer is not None
    store = hub.audit.writer._store
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        await until(lambda: hub.audit.writer is not None and hub.audit.writer.depth == 0)
        append, store.append = store.append, broken
        answer = await ask(admin, "admin.principal.add", principal="eve")
        assert (answer["ok"], answer["code"]) == (False, "internal_error")
        assert await enrolled(admin) is None
        store.append = append
        assert await ask(admin, "admin.principal.add", principal="eve") == {"ok": True}


def broken(_records: object) -> list[Any]:
    raise OSError("no space left on device")


async def test_what_was_added_is_there_after_a_restart(certificates: Certificates, tmp_path: Path) -> None:
    config = hub_config(certificates, state_dir=tmp_path)
    key = Ed25519PrivateKey.generate()
    async with OmnyShellHub(config) as hub:
        made = await invite(certificates, hub, kind="user", principal="eve", roles=["developer"])
        await try_join(certificates, hub.port, "client", made["token"], key)
    assert made["token"].encode() not in (tmp_path / "hub.sqlite3").read_bytes()
    async with OmnyShellHub(config) as hub, stranger(certificates, hub.port) as peer:
        welcome = await log_in(peer, "client", "eve", key)
        assert (welcome["t"], welcome["d"]["roles"]) == ("auth.ok", ["developer"])
        answer, _ = await try_join(certificates, hub.port, "client", made["token"], key)
        assert answer["d"]["reason"] == "used"


async def test_what_a_revoked_principal_left_on_nodes_is_killed(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node,
    ):
        await node.say("node.capabilities", {"features": ["exec", "shell", "detach"]})
        await node.still_there()
        await ask(admin, "admin.principal.add", principal="eve", roles=["developer"])
        made = await ask(admin, "admin.token.add", "admin.token.added", principal="eve")
        await ask(admin, "admin.principal.add", principal="bob")
        assert await token_login(certificates, hub.port, made["token"]) == "auth.ok"
        assert (await ask(admin, "admin.principal.revoke", principal="eve"))["ok"]
        listed = await node.hear("node.sessions.list.request")
        assert listed["d"]["principal"] == "eve"
        info = {"nodeId": "n1", "ownerUserId": "eve", "createdAt": "2026-01-02T03:04:05Z"}
        ids = [f"{number}a1b2c3d-0000-4000-8000-000000000000" for number in range(2)]
        sessions = [{"sessionId": id_, "shortId": id_[:8], **info} for id_ in ids]
        await node.say("node.sessions.list.response", {"requestId": listed["d"]["requestId"], "sessions": sessions})
        for id_ in ids:
            kill = (await node.hear("node.sessions.kill.request"))["d"]
            assert (kill["principal"], kill["sessionRef"]) == ("eve", id_)
            await node.say("node.sessions.kill.response", {"requestId": kill["requestId"], "ok": True})
        # An answer that nobody asked for kills nothing.
        await node.say("node.sessions.list.response", {"requestId": "made up", "sessions": sessions})
        await node.say("ping", {"id": "p", "ts": "2026-01-01T00:00:00Z"})
        assert (await node.hear())["t"] == "pong"
        killed = [record for record in hub.audit if record.action == "session.kill"]
        assert [(record.principal, record.node_id, record.reason) for record in killed] == [
            ("eve", "n1", "revoked")
        ] * 2


async def test_a_shell_that_a_revoked_principal_left_detached_ends(
    certificates: Certificates, hub: OmnyShellHub, tmp_path: Path
) -> None:
    async with (
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        running_node(certificates, hub.port, tmp_path / "node", labels={"allow-roles": "developer"}) as node,
    ):
        await ask(admin, "admin.principal.add", principal="eve", roles=["developer"])
        made = await ask(admin, "admin.token.add", "admin.token.added", principal="eve")
        async with stranger(certificates, hub.port) as eve:
            await eve.greet("client")
            await eve.say("auth.request", {"method": "token", "principal": "eve", "token": made["token"]})
            await eve.hear("auth.ok")
            await eve.say("session.open", {"nodeId": "n1", "mode": "shell", "pty": {"cols": 80, "rows": 24}}, 1)
            await eve.hear("session.opened")
            await eve.say("session.detach.request", {}, 1)
            while not isinstance(message := await eve.hear(), dict) or message["t"] != "session.detached":
                pass
        assert len(node._sessions) == 1
        async with asyncio.timeout(DEADLINE):
            assert (await ask(admin, "admin.principal.revoke", principal="eve"))["ok"]
            while len(node._sessions):
                await asyncio.sleep(0.01)


async def test_a_node_that_was_away_at_a_revocation_ends_the_shells_when_it_is_back(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with hub_process(certificates, tmp_path / "hub") as process:
        port = process.port
        async with running_node(certificates, port, tmp_path / "node", labels={"allow-roles": "developer"}) as node:
            async with logged_in(certificates, port, "client", "dev") as dev:
                await dev.say("session.open", {"nodeId": "n1", "mode": "shell", "pty": {"cols": 80, "rows": 24}}, 1)
                await dev.hear("session.opened")
                await dev.say("session.detach.request", {}, 1)
                while not isinstance(message := await dev.hear(), dict) or message["t"] != "session.detached":
                    pass
            assert len(node._sessions) == 1
            process.kill()
            process.grants = ("admin:admin-token:admin", "box:box-token:node")
            await process.start()
            async with asyncio.timeout(DEADLINE):
                while len(node._sessions):
                    await asyncio.sleep(0.02)

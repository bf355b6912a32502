"""Nodes prove by their keys at which hub they are, and who has stolen a hub's key takes none of them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from support.commands import run_text
from support.engine import Engine
from support.raw_admin import ADMIN, ask, b64
from support.raw_peer import RawPeer, logged_in, stranger
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, connected_client, running_node, until
from websockets.exceptions import ConnectionClosed

from omnyshell import HubAccess, OmnyShellHub, PublicKeyCredentialProvider
from omnyshell.ids import PrincipalId
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.members.identity import ClusterFiles, Standing
from omnyshell.services.hub.cluster.nats.connection import Credential, close
from omnyshell.services.hub.cluster.places.records import Entry, encode
from omnyshell.services.hub.cluster.shared.subjects import name_of_node, of_places
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.nodes.places import NEEDS_PROOF, UNPROVEN
from omnyshell.transport.connection import HubAddress

PLATFORM = {"os": "linux", "arch": "x64"}


class Cell:
    """Two hubs, and a principal `cell` with a key and a token, which owns the node `n1`."""

    def __init__(self, hubs: Hubs, certificates: Certificates, engine: Engine, state: Path) -> None:
        self.hubs, self.certificates, self.engine, self.state = hubs, certificates, engine, state
        self.key = Ed25519PrivateKey.generate()
        self.a, self.b = hubs.running["a"], hubs.running["b"]
        self.token = self.credential = ""

    async def enrol(self) -> None:
        async with logged_in(self.certificates, self.a.port, "client", "admin", ADMIN) as admin:
            await ask(admin, "admin.principal.add", principal="cell", roles=["node"])
            self.token = (await ask(admin, "admin.token.add", "admin.token.added", principal="cell"))["token"]
            public = b64(self.key.public_key.raw)
            assert (await ask(admin, "admin.key.add", principal="cell", publicKey=public))["ok"]
            rows = (await ask(admin, "admin.principals.request", "admin.principals.response"))["principals"]
            mine = next(row for row in rows if row["principal"] == "cell")["credentials"]
            self.credential = next(each["id"] for each in mine if each["kind"] == "key")
        await until(lambda: self.b._services.records.enrolments.has_principal("cell"))

    def access(self, port: int) -> HubAccess:
        credentials = PublicKeyCredentialProvider(PrincipalId("cell"), self.key)
        return HubAccess(address=HubAddress("127.0.0.1", port), credentials=credentials, ca=self.certificates.ca)

    def node(self, port: int) -> Any:
        return running_node(self.certificates, port, self.state / "node", access=self.access(port))

    async def comes_by_token(self, port: int, instance: str) -> dict[str, Any] | tuple[int, str]:
        async with stranger(self.certificates, port) as peer:
            await peer.greet("node", features=["place-proofs", "node-instance"])
            await peer.say("auth.request", {"method": "token", "principal": "cell", "token": self.token})
            await peer.hear("auth.ok")
            await peer.say("node.register", {"nodeId": "n1", "platform": PLATFORM, "instance": instance})
            return await self._registers(peer)

    async def _registers(self, peer: RawPeer) -> dict[str, Any] | tuple[int, str]:
        try:
            asked: dict[str, Any] = await peer.hear()
        except ConnectionClosed:
            return await peer.hear_close()
        if asked["t"] != "node.place.request":
            return asked
        proof = {"publicKey": b64(self.key.public_key.raw), "signature": b64(bytes(64))}
        await peer.say("node.place.response", {"requestId": asked["d"]["requestId"], **proof})
        return await self._registers(peer)

    async def write_as_b(self, *entries: Entry) -> None:
        """Write what hub `b` says of nodes, by the credential that is in its files."""
        standing: Standing = ClusterFiles(self.hubs.state("b")).read()
        client, credential = Client(), Credential(standing.engine_token, standing.engine_key)
        token = standing.engine_token.encode()
        await client.connect(
            self.engine.urls[0], user_jwt_cb=lambda: bytearray(token), signature_cb=credential.signature
        )
        own = standing.identity
        for entry in entries:
            subject = f"{of_places(own.generation)}{own.hub}.{name_of_node(entry.node_id)}"
            await client.publish(subject, encode(entry))
        await client.flush()
        await close(client)

    def refused(self) -> list[str]:
        return [record.reason for record in self.a.audit.newest_first() if record.action == "cluster.refused"]


def rejected(hub: OmnyShellHub) -> set[str]:
    """The ids of nodes that did not prove their places."""
    records = (each for each in hub.audit.newest_first() if each.action == "node.rejected")
    return {each.node_id for each in records if each.reason == NEEDS_PROOF}


@pytest.fixture
async def cell(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Cell]:
    async with two_hubs(certificates, tmp_path, engine) as made:
        found = Cell(made, certificates, engine, tmp_path)
        await found.enrol()
        yield found


async def test_who_has_a_hub_s_key_takes_no_node_that_has_proved_where_it_is(cell: Cell) -> None:
    """A second and more: two hubs are started."""
    async with cell.node(cell.b.port):
        await until(lambda: cell.a._cluster.places.where("n1") == "b")
        at_b = cell.a._cluster.places.last_known("n1").entry
        assert (at_b.key, len(at_b.proof)) == (cell.key.public_key.raw, 64)
    # The same node's next process is at `a`, and the thief has the proof of the one before.
    async with cell.node(cell.a.port), connected_client(cell.certificates, cell.a.port) as client:
        here = cell.a._cluster.places._places.place_of("n1")
        assert (here.hub, here.entry.epoch > at_b.epoch) == ("a", True)
        later = here.entry.epoch + 5
        await cell.write_as_b(
            Entry("n1", at_b.run, later, "thief's", b"about"),
            Entry("n1", at_b.run, later, at_b.instance, b"", False, at_b.key, at_b.proof),
            Entry("n1", at_b.run, later, here.entry.instance, b"", True, here.entry.key, here.entry.proof),
            Entry("unknown", at_b.run, 1, "anybody's"),
        )
        await until(lambda: cell.a._cluster.places.where("unknown") == "b")
        still = cell.a._cluster.places._places.place_of("n1")
        assert (still.hub, still.entry.epoch, still.entry.is_gone) == ("a", here.entry.epoch, False)
        assert list(cell.a.nodes.online()) == ["n1"]
        async with await client.open_session("n1", command="echo here") as session:
            assert b"".join([chunk.data async for chunk in session]) == b"here\n"
        told = [why for why in cell.refused() if "that it has node n1" in why]
        assert len(told) == 1, told
        cell.a._services.records.tick()
        await until(lambda: "hub b has no proof that it has n1" in _status(cell.hubs.state("a")))
        assert json.loads(_status(cell.hubs.state("a"), "--json"))["doubted"] == [{"hub": "b", "nodeId": "n1"}]
    await _what_has_to_be_proved_is_remembered_until_the_key_is_revoked(cell)


def _status(state: Path, *words: str) -> str:
    return run_text("cluster", "status", *words, "--state-dir", str(state)).stdout


async def _what_has_to_be_proved_is_remembered_until_the_key_is_revoked(cell: Cell) -> None:
    await cell.hubs.restart("a")
    cell.a = cell.hubs.running["a"]
    assert cell.a._cluster.places.where("n1") == ""
    assert await cell.comes_by_token(cell.a.port, "by-token") == (1013, UNPROVEN)
    rejected = [each for each in cell.a.audit.newest_first() if each.action == "node.rejected"]
    assert [each.reason for each in rejected] == [UNPROVEN]
    async with logged_in(cell.certificates, cell.a.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.credential.revoke", principal="cell", credentialId=cell.credential))["ok"]
    answer = await cell.comes_by_token(cell.a.port, "by-token")
    assert isinstance(answer, dict), answer
    assert answer["t"] == "node.registered", answer


async def test_hubs_that_require_proofs_keep_who_proves_when_one_ends_and_tell_all_others_why(
    certificates: Certificates, tmp_path: Path, engine: Engine
) -> None:
    """A second and more: two hubs are started."""
    strict = {"cluster": ClusterSettings(require_place_proofs=True)}
    async with two_hubs(certificates, tmp_path, engine, reached=True, of_a=strict, of_b=strict) as hubs:
        cell = Cell(hubs, certificates, engine, tmp_path)
        await cell.enrol()
        async with (
            cell.node(cell.a.port),
            connected_client(certificates, cell.a.port) as client,
            await client.open_session("n1", command="read line; echo $line") as session,
        ):
            await until(lambda: cell.b._cluster.places.where("n1") == "a")
            assert await cell.comes_by_token(cell.a.port, "by-token") == (1013, NEEDS_PROOF)
            for port in (cell.a.port, cell.b.port):
                async with logged_in(certificates, port, "node", "box") as older:
                    await older.say("node.register", {"nodeId": "n2", "platform": PLATFORM})
                    assert await older.hear_close() == (1013, NEEDS_PROOF)
            assert (rejected(cell.a), rejected(cell.b)) == ({"n1", "n2"}, {"n2"})
            # Who proves was not sent away for one that does not.
            assert not [each for each in cell.a.audit.newest_first() if each.action == "node.displaced"]
            assert cell.a.nodes.online() == {"n1"}
            await until(cell.a._services.hand_over.is_any_there)
            # It ends as a hub that is killed: nobody is handed over.
            cell.a._services.hand_over.is_any_there = lambda: False
            await cell.a.stop()
            await until(lambda: list(cell.b.nodes.online()) == ["n1"])
            await session.write(b"proved\n")
            assert b"".join([chunk.data async for chunk in session]) == b"proved\n"
        assert not json.loads(_status(hubs.state("b"), "--json"))["doubted"]

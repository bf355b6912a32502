"""Who has a hub's credential for the engine may ask it things, and say where it is to answer."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nats.aio.client import Client
from support.deadline import DEADLINE
from support.engine import Engine
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, running_node, until

from omnyshell.services.hub.cluster.members.identity import ClusterFiles
from omnyshell.services.hub.cluster.nats.connection import Credential, close
from omnyshell.services.hub.cluster.nats.streams import places_stream
from omnyshell.services.hub.cluster.shared.hearing import ERASED
from omnyshell.services.hub.cluster.shared.subjects import name_of_node, of_places, subject_of_beat


class Thief:
    """Has the files of hub `b`, and is connected with the engine by them."""

    def __init__(self, client: Client, generation: str) -> None:
        self._client, self._generation = client, generation

    async def has_it_answer_at(self, *subjects: str) -> None:
        """Write what `b` may write, and have the engine acknowledge that where others write."""
        for subject in subjects:
            await self._client.publish(f"omnyshell.{self._generation}.truth.b", b"anything", reply=subject)
        await self._client.flush()

    async def says_of_a_node(self, subject: str) -> bool:
        """Whether that is what the engine holds last of a subject."""
        asked = json.dumps({"last_by_subj": subject}).encode()
        stream = f"$JS.API.STREAM.MSG.GET.{places_stream(self._generation)}"
        message = json.loads((await self._client.request(stream, asked)).data)["message"]
        return b'"type":"node"' in base64.b64decode(message["data"])


@asynccontextmanager
async def thief_of(hubs: Hubs, engine: Engine) -> AsyncIterator[tuple[Thief, str]]:
    standing = ClusterFiles(hubs.state("b")).read()
    client, credential = Client(), Credential(standing.engine_token, standing.engine_key)
    token = bytearray(standing.engine_token.encode())
    await client.connect(
        engine.urls[0], user_jwt_cb=lambda: token, signature_cb=credential.signature, inbox_prefix="_INBOX_b"
    )
    try:
        yield Thief(client, standing.identity.generation), standing.identity.generation
    finally:
        await close(client)


async def test_an_answer_in_the_place_of_a_hubs_words_takes_nothing_from_it(
    certificates: Certificates, tmp_path: Path, engine: Engine
) -> None:
    """A second and more: two hubs are started, and one of them twice."""
    async with two_hubs(certificates, tmp_path, engine) as hubs, thief_of(hubs, engine) as (thief, generation):
        a, b = hubs.running["a"], hubs.running["b"]
        beat, node = subject_of_beat(generation, "a"), f"{of_places(generation)}a.{name_of_node('n1')}"
        async with running_node(certificates, a.port, tmp_path / "node", node_id="n1"):
            await until(lambda: b._cluster.places.where("n1") == "a")
            read = a._cluster.places._places.read_up_to
            await thief.has_it_answer_at(beat, node)
            # What is known of it is said again, and the next beat comes behind the answer.
            a._cluster.places._beat_times.soon(0.0)
            await until(lambda: a._cluster.places._places.own_beat_seq > read + 2)
            async with asyncio.timeout(DEADLINE):
                while not await thief.says_of_a_node(node):
                    await asyncio.sleep(0.01)
            assert b._cluster.places.where("n1") == "a"
        told = [each.reason for each in a.audit.newest_first() if each.action == "cluster.refused"]
        assert len([why for why in told if ERASED in why]) == 1
        run = a._cluster.places._places.run
        await a.stop()
        await thief.has_it_answer_at(beat)
        await hubs.start("a")
        # Who heard of the run before goes by a later one alone.
        assert hubs.running["a"]._cluster.places._places.run > run
        await until(lambda: b._cluster.places.is_there("a"))

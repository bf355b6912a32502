"""The log that several hubs share, over a real engine."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

import pytest
from support.deadline import DEADLINE
from support.engine import Engine
from support.stack import until
from support.truth_logs import BEGIN

from omnyshell.errors import OmnyShellException
from omnyshell.model.admin import InviteKind, LockInfo, LockKind
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.members.author import Author
from omnyshell.services.hub.cluster.members.signing import digest, sign
from omnyshell.services.hub.cluster.nats import stream as nats_stream
from omnyshell.services.hub.cluster.nats.connection import EngineConnection
from omnyshell.services.hub.cluster.nats.delivery import Delivery
from omnyshell.services.hub.cluster.nats.stream import NatsOrder
from omnyshell.services.hub.cluster.nats.streams import (
    LAST_OF_EACH,
    Client,
    _make,
    make_streams,
    places_stream,
    truth_stream,
)
from omnyshell.services.hub.cluster.order.order import (
    EngineAwayException,
    NotPermittedException,
    Origin,
    Place,
    Stored,
)
from omnyshell.services.hub.cluster.shared import log as shared_log, same_stream
from omnyshell.services.hub.cluster.shared.end_of_log import unknown_change
from omnyshell.services.hub.cluster.shared.log import SharedLog
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import AddInvite, ClaimNode, PutLock, Transaction, UseInvite, together
from omnyshell.services.hub.truth.member_changes import AddMember, MemberKnows, RemoveMember
from omnyshell.services.hub.truth.records import Invite

GENERATION = "g1"
NEWER = b'{"changes":[{"type":"NewerChange","x":1}],"level":2}'
HUBS = ("a", "b", "c")
KEYS = {hub: Ed25519PrivateKey.generate() for hub in HUBS}


class OneHub:
    """A hub's end of the log, and its connection with the engine."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.file = StateFile(None)
        self.told: list[tuple[str, str]] = []
        self.log = SharedLog(
            self.file,
            Author(GENERATION, name, KEYS[name]),
            ("a", KEYS["a"].public_key),
            refused=lambda hub, why: self.told.append((hub, why)),
        )
        self.connection = EngineConnection(engine.urls, engine.credential(name), name)
        self.order = NatsOrder(self.connection, truth_stream(GENERATION), self.log)

    async def start(self, *, founds: bool = False) -> None:
        if founds:
            self.connection.on_connected.insert(0, self._found)
        self.connection.start()
        self.log.start(self.order)
        async with asyncio.timeout(DEADLINE):
            await self.log.catch_up()

    async def _found(self, client) -> None:
        await make_streams(client, GENERATION, 1)
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        await self.log.aclose()
        await self.connection.aclose()
        self.file.close()

    async def reaches(self, seq: int) -> None:
        await until(lambda: self.log.applied_seq >= seq)

    def owners(self) -> list[tuple[str, str]]:
        return self.file.run("SELECT node_id, principal FROM node_owners")


@pytest.fixture
async def hubs(engine: Engine) -> AsyncIterator[list[OneHub]]:
    async with AsyncExitStack() as closing:
        made = [OneHub(name, engine) for name in HUBS]
        for hub in made:
            closing.push_async_callback(hub.aclose)
        await made[0].start(founds=True)
        for name in HUBS:
            await made[0].log.append(together(AddMember(name, KEYS[name].public_key.raw, BEGIN)))
        for hub in made[1:]:
            await hub.start()
        yield made


def invite(number: int) -> Invite:
    return Invite(id=f"i{number}", token_hash=b"%d" % number, kind=InviteKind.NODE, created_at=BEGIN, expires_at=BEGIN)


async def test_each_invite_is_used_once_whichever_hub_is_asked_and_all_have_the_same_rows(hubs: list[OneHub]) -> None:
    await hubs[0].log.append(together(*(AddInvite(invite(number)) for number in range(20))))
    answers = await asyncio.gather(
        *(
            _outcome(hub, together(UseInvite(f"i{number}", BEGIN, None), ClaimNode(f"n{number}", hub.connection.name)))
            for number in range(20)
            for hub in hubs
        )
    )
    assert sorted(answers) == sorted(["done"] * 20 + ["used"] * 40)
    last = max(hub.log.applied_seq for hub in hubs)
    for hub in hubs:
        await hub.reaches(last)
    assert len(hubs[0].owners()) == 20
    assert hubs[0].owners() == hubs[1].owners() == hubs[2].owners()
    assert [hub.told for hub in hubs] == [[], [], []]


async def test_changes_that_wait_together_go_in_few_records_and_one_that_does_not_fit_harms_no_other(
    hubs: list[OneHub],
) -> None:
    before = hubs[0].log.applied_seq
    answers = [hubs[0].log.append(together(ClaimNode(f"n{number}", "ann"))) for number in range(50)]
    for answer in answers:
        await answer
    assert hubs[0].log.applied_seq - before < 10
    asked = [together(ClaimNode(f"m{number}", "ann")) for number in range(10)]
    asked[5] = together(UseInvite("none", BEGIN, None), ClaimNode("never", "ann"))
    outcomes = await asyncio.gather(*(_outcome(hubs[0], each) for each in asked))
    assert [place for place, outcome in enumerate(outcomes) if outcome != "done"] == [5]
    await hubs[2].reaches(hubs[0].log.applied_seq)
    assert hubs[0].owners() == hubs[2].owners()
    assert {"n49", "m9"} <= {node for node, _ in hubs[2].owners()}
    assert "never" not in {node for node, _ in hubs[2].owners()}


async def _outcome(hub: OneHub, transaction) -> str:
    try:
        await hub.log.append(transaction)
    except ChangeRefusedException as exc:
        return exc.code
    return "done"


async def test_without_the_engine_changes_are_refused_and_go_on_with_it(
    engine: Engine, hubs: list[OneHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_log, "ANSWER_TIMEOUT", 1.0)
    engine.kill(0)
    with pytest.raises(EngineAwayException) as away:
        await hubs[1].log.append(together(ClaimNode("n1", "ann")))
    assert away.value.code == "engine_away"
    engine.start(0)
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await hubs[1].log.append(together(ClaimNode("n2", "bob")))
                break
            except EngineAwayException:
                await asyncio.sleep(0.05)
    await hubs[2].reaches(hubs[1].log.applied_seq)
    assert ("n2", "bob") in hubs[2].owners()


async def test_changes_are_done_though_nothing_is_delivered_any_more_as_after_a_server_s_death(
    hubs: list[OneHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer lives at one server: what is in the stream is asked for meanwhile, by who wrote it and others."""

    async def lose(_delivery: Delivery, _message: object) -> None:
        """Nothing comes."""

    monkeypatch.setattr(nats_stream, "SILENCE", 10 * DEADLINE)
    monkeypatch.setattr(Delivery, "_put", lose)
    async with asyncio.timeout(DEADLINE):
        await hubs[0].log.append(together(ClaimNode("n1", "ann")))
        # This one has read nothing of that, and learns it as its own record is not at its place.
        await hubs[1].log.append(together(ClaimNode("n2", "bob")))
    assert hubs[1].owners() == [("n1", "ann"), ("n2", "bob")]


async def test_a_hub_reads_on_that_gets_no_consumer(
    engine: Engine, hubs: list[OneHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the servers have no leader, or consumers of all names are left from before."""

    async def taken(_order: NatsOrder, *_asked: object) -> bool:
        return False

    monkeypatch.setattr(NatsOrder, "_is_made", taken)
    await hubs[1].log.aclose()
    await hubs[1].connection.aclose()
    again = OneHub("b", engine)
    try:
        await again.start()
        async with asyncio.timeout(DEADLINE):
            await again.log.append(together(ClaimNode("n1", "ann")))
            await hubs[0].log.append(together(ClaimNode("n2", "bob")))
            await again.reaches(hubs[0].log.applied_seq)
    finally:
        await again.aclose()


class Noting:
    """A reader that notes what it is told."""

    def __init__(self, name: str, noted: list[str]) -> None:
        self._name, self._noted = name, noted

    def begin_reading(self, _origin: Origin) -> int:
        self._noted.append(f"{self._name} begins")
        return 1

    def take(self, _stored: Stored) -> None:
        """Nothing of it counts here."""

    def at_end(self) -> None:
        self._noted.append(f"{self._name} ends")

    def gone(self) -> None:
        """Nobody is told."""


async def test_who_is_where_is_read_behind_what_is_true_as_its_records_count_by_that(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what a new hub says of its nodes would be nobody's where its membership came later."""
    monkeypatch.setattr(nats_stream, "PATIENCE", DEADLINE)
    noted: list[str] = []
    connection = EngineConnection(engine.urls, engine.credential("a"), "a")
    truth = NatsOrder(connection, truth_stream(GENERATION), Noting("truth", noted))
    NatsOrder(connection, places_stream(GENERATION), Noting("places", noted), behind=truth)
    connection.on_connected.append(partial(_make_late, noted))
    connection.start()
    await until(lambda: len(noted) >= 5)
    await connection.aclose()
    assert noted == ["places are there", "truth begins", "truth ends", "places begins", "places ends"]


async def _make_late(noted: list[str], client: Client) -> None:
    await _make(client, places_stream(GENERATION), f"omnyshell.{GENERATION}.places.>", 1, LAST_OF_EACH)
    noted.append("places are there")
    await make_streams(client, GENERATION, 1)
    await asyncio.Event().wait()


async def test_what_is_asked_of_a_server_that_dies_is_given_up_at_once_and_asked_of_the_next_one(
    engine: Engine, hubs: list[OneHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.hub.cluster.nats.connection.REQUEST_TIMEOUT", 10 * DEADLINE)
    engine.signal(0, signal.SIGSTOP)
    change = hubs[1].log.append(together(ClaimNode("n1", "ann")))
    asking = asyncio.ensure_future(hubs[2].connection.ask("$JS.API.STREAM.INFO.omnyshell"))
    await asyncio.sleep(0)
    engine.kill(0)
    with pytest.raises(EngineAwayException, match="lost meanwhile"):
        await asking
    engine.start(0)
    async with asyncio.timeout(DEADLINE):
        await change
    assert ("n1", "ann") in hubs[1].owners()


async def test_what_a_hub_may_not_write_is_refused_by_the_engine_and_what_no_member_signed_by_all(
    hubs: list[OneHub],
) -> None:
    a, b, c = hubs
    with pytest.raises(NotPermittedException):
        await b.connection.publish(f"omnyshell.{GENERATION}.truth.a", b"{}", Place())
    seq = b.log.applied_seq
    stolen = sign(KEYS["b"], GENERATION, seq + 1, "a", together(ClaimNode("n1", "eve")).encode())
    await c.connection.publish(f"omnyshell.{GENERATION}.truth.c", stolen, Place(last=seq))
    again = sign(KEYS["c"], GENERATION, seq + 1, "c", together(ClaimNode("n2", "eve")).encode())
    await c.connection.publish(f"omnyshell.{GENERATION}.truth.c", again, Place(last=seq + 1))
    no_change = sign(KEYS["b"], GENERATION, seq + 3, "b", b'{"changes":[1]}', digest(again))
    await b.connection.publish(f"omnyshell.{GENERATION}.truth.b", no_change, Place(last=seq + 2))
    await a.reaches(seq + 3)
    assert [hub for hub, _ in a.told] == ["c", "c", "b"]
    assert a.owners() == []
    assert await a.log.append(together(ClaimNode("n3", "ann"))) == seq + 4


async def test_a_hub_that_is_too_old_for_a_change_stops_there_and_goes_on_when_it_is_upgraded(
    hubs: list[OneHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second: the log is looked at again each second where a hub cannot read on."""
    a, b, _ = hubs
    seq = [await hub.log.append(together(MemberKnows(hub.connection.name, 2))) for hub in hubs][-1]
    for hub in (a, b):
        await hub.reaches(seq)
    newer = sign(KEYS["b"], GENERATION, seq + 1, "b", NEWER, b.log._same.digest)
    await b.connection.publish(f"omnyshell.{GENERATION}.truth.b", newer, Place(last=seq))
    await until(lambda: a.log.too_old_for > 0)
    with pytest.raises(EngineAwayException, match="upgrade this hub"):
        await a.log.append(together(ClaimNode("n1", "ann")))
    # What does nothing but deny holds all the same.
    lock = LockInfo(kind=LockKind.PRINCIPAL, name="eve", id="l", why="", created_at=BEGIN, created_by="ann")
    assert await a.log.append(together(PutLock(lock))) == seq
    assert [hub for hub, why in a.told] == ["b"]
    assert "NewerChange" in a.told[0][1]
    assert (a.log.applied_seq, unknown_change(a.file, GENERATION)) == (seq, seq + 1)
    # What an upgraded one knows.
    decode = Transaction.decode
    monkeypatch.setattr(Transaction, "decode", lambda raw: together() if b"NewerChange" in raw else decode(raw))
    await a.reaches(seq + 1)
    assert a.log.too_old_for == 0
    async with asyncio.timeout(DEADLINE):
        await a.log.append(together(ClaimNode("n1", "ann")))
    assert a.owners() == [("n1", "ann")]


async def test_a_member_stops_nobody_by_what_not_all_have_said_they_know(hubs: list[OneHub]) -> None:
    a, b, c = hubs
    subject, seq = f"omnyshell.{GENERATION}.truth.b", b.log.applied_seq
    said = [
        NEWER,
        # What it says of itself counts for no other, and it says nothing of another.
        together(MemberKnows("b", 2)).encode(),
        NEWER,
        together(MemberKnows("a", 2)).encode(),
        # Nobody would change anything any more if it knew less than the first.
        together(MemberKnows("b", 0)).encode(),
        b'{"changes":[{"type":"NewerChange"}]}',
        b'{"changes":[{"type":"AddMember","hub":"d","key":"AAAA","added_at":"2026-01-02T00:00:00Z"}]}',
        b'{"changes":[],"level":2,"newer":' + 5000 * b"[" + 5000 * b"]" + b"}",
        b'{"changes":[{"type":"ClaimNode","node_id":"n1","principal":"eve"}],"level":2}',
    ]
    before = b.log._same.digest
    for place, body in enumerate(said, seq):
        raw = sign(KEYS["b"], GENERATION, place + 1, "b", body, before)
        before = digest(raw)
        assert await b.connection.publish(subject, raw, Place(last=place)) == place + 1
    for hub in (a, c):
        await hub.reaches(seq + len(said))
        assert [maker for maker, _ in hub.told] == ["b"] * (len(said) - 1)
        assert (hub.log.too_old_for, hub.log.members.level, hub.owners()) == (0, 1, [])
    await a.log.append(together(RemoveMember("b")))
    assert a.log.members.hubs() == ("a", "c")
    assert await c.log.append(together(ClaimNode("n1", "ann")))


async def test_a_hub_says_what_its_version_knows_and_makes_no_change_that_others_do_not(
    engine: Engine, hubs: list[OneHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_log, "LEVEL", 2)
    await hubs[1].log.aclose()
    await hubs[1].connection.aclose()
    again = OneHub("b", engine)
    try:
        await again.start()
        await until(lambda: hubs[0].log.members.level_of("b") == 2)
        with pytest.raises(ChangeRefusedException, match="upgrade them first"):
            await again.log.append(Transaction((ClaimNode("n1", "ann"),), level=2))
    finally:
        await again.aclose()


async def test_a_stream_that_was_made_anew_is_noticed_once_and_nothing_of_it_is_read(
    engine: Engine, hubs: list[OneHub], caplog: pytest.LogCaptureFixture
) -> None:
    """A second and more: a hub looks again after one."""
    caplog.set_level("DEBUG", "omnyshell.cluster")
    before = hubs[1].log.applied_seq
    engine.kill(0)
    engine.forget(0)
    engine.start(0)
    await until(lambda: bool(hubs[1].told))
    assert "made anew" in hubs[1].told[0][1]
    assert hubs[1].log.is_other
    with pytest.raises(OmnyShellException) as refused:
        await hubs[1].log.append(together(ClaimNode("n1", "ann")))
    assert refused.value.code == "engine_away"
    assert hubs[1].log.applied_seq == before

    def said() -> list[str]:
        return [record.levelname for record in caplog.records if "made anew" in record.getMessage()]

    await until(lambda: "DEBUG" in said())
    assert said().count("ERROR") <= len(hubs)


async def test_a_change_that_was_written_behind_another_one_than_is_there_counts_for_nobody(hubs: list[OneHub]) -> None:
    """As by a hub that has applied what the engine has lost; the others compare first what they have applied."""
    a, b, c = hubs
    seq = await a.log.append(together(ClaimNode("n1", "ann")))
    await b.reaches(seq)
    body = together(ClaimNode("n2", "eve")).encode()
    behind = sign(KEYS["b"], GENERATION, seq + 1, "b", body, digest(b"what is lost"))
    await b.connection.publish(f"omnyshell.{GENERATION}.truth.b", behind, Place(last=seq))
    for hub in hubs:
        await hub.reaches(seq + 1)
        assert [maker for maker, _ in hub.told] == ["b"]
        assert "the engine has lost some" in hub.told[0][1]
    await c.log.append(together(ClaimNode("n3", "ann")))
    await a.reaches(seq + 2)
    assert a.owners() == [("n1", "ann"), ("n3", "ann")]
    # Records of hubs that did not name the one before yet count as ever.
    nameless = sign(KEYS["b"], GENERATION, seq + 3, "b", together(ClaimNode("n4", "bob")).encode())
    await b.connection.publish(f"omnyshell.{GENERATION}.truth.b", nameless, Place(last=seq + 2))
    await a.reaches(seq + 3)
    assert a.owners() == [("n1", "ann"), ("n3", "ann"), ("n4", "bob")]


@pytest.fixture
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_stream, "LOOK", 0.01)
    monkeypatch.setattr(same_stream, "CERTAIN", 0.05)


@pytest.mark.usefixtures("_looks_often")
async def test_a_record_that_the_engine_loses_while_a_hub_stays_connected_is_noticed(
    engine: Engine, hubs: list[OneHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where of three servers two come back without what they had acknowledged, and this hub is at the third one.

    `soak.lost_records` has servers lose it, as that takes an election of theirs.
    """
    seq, (_, b, _) = await hubs[0].log.append(together(ClaimNode("n1", "ann"))), hubs
    await b.reaches(seq)
    next_of = b.connection.next_of

    async def other(stream: str, number: int) -> Stored | None:
        stored = await next_of(stream, number)
        return stored._replace(data=b"another") if stored is not None and stored.seq == seq else stored

    with monkeypatch.context() as lost:
        lost.setattr(b.connection, "next_of", other)
        await until(lambda: b.log.is_other)
        assert b.told == [("", f"the engine's stream has another record {seq}")]
        with pytest.raises(EngineAwayException, match="not the one that this hub has read"):
            await b.log.append(together(ClaimNode("n2", "ann")))
    # The right one is there again.
    async with asyncio.timeout(DEADLINE):
        await until(lambda: not b.log.is_other)
        await b.log.append(together(ClaimNode("n2", "ann")))


async def test_a_hub_that_is_started_again_at_once_reads_by_no_consumer_that_it_had_before(
    engine: Engine, hubs: list[OneHub], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "omnyshell.cluster")
    await hubs[1].log.aclose()
    await hubs[1].connection.aclose()
    for _ in range(3):
        again = OneHub("b", engine)
        try:
            # From the first record on, as before: so the engine would go on with the old one, behind what it gave out.
            await again.start()
            await again.reaches(hubs[0].log.applied_seq)
        finally:
            await again.aclose()
    assert "read anew" not in caplog.text

"""Principals that take all they can get: others, and administrators, still get theirs."""

import asyncio
import math
import time
from dataclasses import replace

import pytest
from support.clock import LeapingClock
from support.passing import passes
from support.raw_peer import RawPeer
from support.stack import Certificates, until, within
from support.starving import ATTACKS, CROWD, FLOODS, Attacked, Flood, ask_for_much, attacked, pour, pouring_node

from omnyshell.protocol.limits import BULK_PAYLOAD, INITIAL_CREDIT, MAX_CREDIT
from omnyshell.protocol.outbox import FULL_AT
from omnyshell.services.hub.ground.limits import EVERYBODY, Allowance, Resource
from omnyshell.services.hub.peers import send_watch

FAR_TOO_MANY = 60


async def fill(world: Attacked, resource: Resource, who: str) -> str:
    """Take until it is refused; the refusal says which limit was met."""
    for _ in range(FAR_TOO_MANY):
        if why := await within(ATTACKS[resource].take(world, who)):
            assert f"limit '{resource}'" in why
            return why
    raise AssertionError(f"{who} met no limit of {resource}")


def limits_for(resource: Resource) -> dict[Resource, int]:
    limit = ATTACKS[resource].limit
    return {resource: limit} if limit is not None else {}


def test_every_resource_is_attacked() -> None:
    others = {Resource.REQUESTS, Resource.REFUSALS, Resource.REPEATS, Resource.QUEUED}
    assert {*ATTACKS} | others == {*Resource}


@pytest.mark.parametrize("resource", ATTACKS)
async def test_whoever_takes_all_it_can_get_leaves_enough_for_others(
    certificates: Certificates, resource: Resource
) -> None:
    attack = ATTACKS[resource]
    async with attacked(certificates, limits_for(resource)) as world:
        world.hub.reload(replace(world.hub.config, endpoint=replace(world.hub.config.endpoint, max_connections=60)))
        await fill(world, resource, attack.attacker)
        # By no other way either.
        assert await within(attack.take(world, attack.attacker))
        for who in (attack.other, "admin"):
            assert await within(attack.take(world, who)) == "", who
        await world.give_back(attack.attacker)
        if resource is not Resource.NODE_IDS:
            # What was given back can be had again.
            await until_given_back(world, resource, attack.attacker)
            await fill(world, resource, attack.attacker)
        assert world.hub._services.quota.refused[resource] >= 2


async def until_given_back(world: Attacked, resource: Resource, who: str) -> None:
    quota = world.hub._services.quota
    await until(lambda: quota.connections_of(who) == 0)
    if resource is Resource.UNFINISHED:
        account = quota.account(who)
        assert account is None or account.unfinished == 0


@pytest.mark.parametrize("resource", [each for each, attack in ATTACKS.items() if attack.has_pool])
async def test_when_many_take_everything_administrators_still_get_theirs(
    certificates: Certificates, resource: Resource
) -> None:
    async with attacked(certificates, limits_for(resource)) as world:
        world.hub.reload(replace(world.hub.config, endpoint=replace(world.hub.config.endpoint, max_connections=40)))
        refusals = [await fill(world, resource, who) for who in ("mallory", *CROWD[:3])]
        assert "kept for administrators" in refusals[-1]
        assert await within(ATTACKS[resource].take(world, "ann"))
        assert await within(ATTACKS[resource].take(world, "admin")) == ""


async def test_an_administrator_can_list_and_end_what_fills_the_hub(certificates: Certificates) -> None:
    async with attacked(certificates) as world:
        world.hub.reload(replace(world.hub.config, endpoint=replace(world.hub.config.endpoint, max_connections=40)))
        for who in ("mallory", *CROWD[:3]):
            await fill(world, Resource.CONNECTIONS, who)
        admin = await world.client("admin")
        await admin.say("admin.peers.request", {"requestId": "p"})
        peers = (await admin.hear("admin.peers.response"))["d"]["peers"]
        for peer in peers:
            if peer["principal"] == "mallory":
                await admin.say("admin.peer.drop", {"requestId": "d", "peerId": peer["peerId"]})
                assert (await admin.hear("admin.result"))["d"]["ok"] is True
        await until(lambda: world.hub._services.quota.connections_of("mallory") == 0)
        assert await within(world.take_connection("ann")) == ""


AT_ONCE = [list(FLOODS)[first::3] for first in range(3)]
"""Floods of somebody else each, so that all are dealt with slowly beside each other."""


@pytest.mark.parametrize("kinds", AT_ONCE, ids=lambda kinds: kinds[0])
async def test_floods_are_dealt_with_slowly_and_hold_nobody_up(certificates: Certificates, kinds: list[str]) -> None:
    slow = Allowance({Resource.REQUESTS: 60}, frozenset({*CROWD, "rogue"}))
    async with attacked(certificates, quotas=(slow,)) as world:
        peers = {
            kind: [await FLOODS[kind].begin(world, FLOODS[kind].who or somebody) for _ in range(2)]
            for kind, somebody in zip(kinds, CROWD, strict=False)
        }
        ann = await world.client("ann")
        pouring = {kind: asyncio.create_task(flooded(FLOODS[kind], peers[kind])) for kind in kinds}
        answered = 0
        while not all(task.done() for task in pouring.values()):
            await ann.still_there()
            answered += 1
            # Asked without a pause she would take all that the floods leave of a processor.
            await asyncio.sleep(0.02)
        # 80 of them, less what is free and what comes at once, at 60 a second.
        least = (80 - 2 * 16 - 15) / 60 - 0.1
        took = {kind: await task for kind, task in pouring.items()}
        assert {kind: seconds for kind, seconds in took.items() if seconds < least} == {}
        assert answered >= 3
        assert world.hub._services.quota.refused[Resource.REQUESTS] >= len(kinds)


async def flooded(attack: Flood, peers: list[RawPeer]) -> float:
    """Flood a hub over some connections; returns how many seconds it took until all was dealt with."""
    began, times = time.monotonic(), max(1, round(40 / attack.cost))
    await asyncio.gather(*(flood(peer, attack.data * times, attack.answers * times) for peer in peers))
    return time.monotonic() - began


async def flood(peer: RawPeer, data: bytes, answers: int) -> None:
    """Send it all at once, and a ping behind it; nothing may be lost."""
    peer.ws.transport.write(data)
    await peer.say("ping", {"id": "last", "ts": "2026-01-02T03:04:05.678Z"})
    left, is_last_answered = answers, False
    while left or not is_last_answered:
        said = await peer.hear()
        is_last = said["t"] == "pong" and said["d"]["id"] == "last"
        is_last_answered |= is_last
        left -= not is_last and said["t"] != "channel.window"


async def test_refusals_without_end_are_summed_up_in_the_audit(certificates: Certificates) -> None:
    async with attacked(certificates) as world:
        mallory, ann = await world.client("mallory"), await world.client("ann")
        for peer, count in ((mallory, 300), (ann, 1)):
            for _ in range(count):
                await peer.say("admin.hub.request", {"requestId": "r"})
            for _ in range(count):
                assert (await peer.hear("admin.result"))["d"]["code"] == "not_authorized"
        world.hub._services.audit_sums.flush()
        by_mallory = [each for each in world.hub.audit if each.principal == "mallory" and each.outcome == "denied"]
        assert len(by_mallory) == 61
        assert (by_mallory[-1].reason, by_mallory[-1].detail) == ("limited", "240 more of these")
        assert by_mallory[-1].action == "admin.hub.request"
        assert [each.action for each in world.hub.audit if each.principal == "ann" and each.outcome == "denied"]


async def test_a_node_that_registers_without_end_does_not_fill_the_audit(certificates: Certificates) -> None:
    async with attacked(certificates, {Resource.REPEATS: 5}) as world:
        node = await world.new_client("rogue", "node")
        about = {"nodeId": "r1", "platform": {"os": "x", "arch": "x"}}
        for labels in [{}] * 50 + [{"a": "1"}, {"a": "2"}] * 50:
            await node.say("node.register", about | {"labels": labels})
            await node.hear("node.registered")
        world.hub._services.audit_sums.flush()
        told = [each for each in world.hub.audit if each.principal == "rogue" and each.action == "node.register"]
        assert [each.node_id for each in told] == ["r1"] * 6
        assert (told[-1].reason, told[-1].detail) == ("limited", "96 more of these")


A_MOMENT = 0.4
"""Seconds that pass, of which the hub does not think that it was stopped."""

LOOKS = 10
"""Looks of the hub in which a slow reader has to get on."""


async def read_slowly(client: RawPeer, count: int, until_set: asyncio.Event) -> None:
    """Take so many data frames, thirty a second until the event, and ask for as many again."""
    for number in range(2 * count):
        while isinstance(said := await client.ws.recv(), str):
            pass
        if number < count:
            await client.say("channel.window", {"credit": BULK_PAYLOAD}, int.from_bytes(said[2:6], "big"))
        if not until_set.is_set():
            await asyncio.sleep(0.03)


async def test_who_takes_nothing_of_what_waits_is_ended_and_a_slow_reader_is_not(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow one reads on also after all have been stopped for longer than anybody may read nothing."""
    monkeypatch.setattr(send_watch, "LOOK_PERIOD", 0.1)
    clock = LeapingClock()
    async with attacked(certificates, {Resource.QUEUED: 3}, clock=clock) as world:
        pouring = asyncio.create_task(pour(await pouring_node(world, "r1", "ops")))
        stuck, slow = await world.new_client("mallory"), await world.new_client("ann")
        pause = asyncio.Event()
        for client in (stuck, slow):
            await ask_for_much(client, "r1", 3)
        reading = asyncio.create_task(read_slowly(slow, 3 * (MAX_CREDIT - INITIAL_CREDIT) // BULK_PAYLOAD, pause))
        stuck.ws.transport.pause_reading()
        account = world.hub._services.quota.account("mallory")
        assert account is not None
        waiting = account.queued
        watch = world.hub._services.sending
        await until(lambda: {peer.principal.id for peer in watch._choked} == {"mallory", "ann"})
        slow_peer = next(peer for peer in watch._choked if peer.principal.id == "ann")
        slow.ws.transport.pause_reading()
        for _ in range(2):
            last = watch._next_look
            await until(lambda: watch._next_look > last)  # noqa: B023  # called within the turn
        clock.leap(2 * send_watch.PATIENCE)
        await passes(2 * send_watch.PATIENCE)
        for _ in range(2):
            # As nobody did anything meanwhile, that does not count.
            last = watch._next_look
            await until(lambda: watch._next_look > last)  # noqa: B023  # called within the turn
        assert all(each.action != "peer.limited" for each in world.hub.audit)
        slow.ws.transport.resume_reading()
        while not any(each.action == "peer.limited" for each in world.hub.audit):
            read = watch._choked.get(slow_peer, (-1, 0.0))[0]
            for _ in range(LOOKS):
                last = watch._next_look
                clock.leap(A_MOMENT)
                await passes(A_MOMENT)
                await until(lambda: watch._next_look > last)  # noqa: B023
            # However slow the machine is, it reads on in time.
            await until(lambda: watch._choked.get(slow_peer, (math.inf, 0.0))[0] > read)  # noqa: B023
        assert waiting.waiting < FULL_AT * waiting.limit
        await until(lambda: waiting.waiting == 0)
        assert not reading.done()
        pause.set()
        # What it granted while too much waited for it is passed on in the end.
        await within(reading)
        told = [(each.principal, each.reason) for each in world.hub.audit if each.action == "peer.limited"]
        assert told == [("mallory", "capacity_exceeded")]
        for peer in (stuck, slow):
            peer.ws.transport.abort()
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)


async def test_a_message_that_does_not_end_ends_its_connection(certificates: Certificates) -> None:
    async with attacked(certificates, message_timeout=0.5) as world:
        ann = await world.client("ann")
        slow = [await world.new_client("mallory") for _ in range(3)]
        # A data frame, a large message, and one in several frames.
        slow[0].ws.transport.write(b"\x82\xfe\x10\x00\0\0\0\0" + bytes(99))
        slow[1].ws.transport.write(b"\x81\xff\0\0\0\0\0\x10\0\0\0\0\0\0" + b" " * 99)
        slow[2].ws.transport.write(b"\x01\x81\0\0\0\0 ")
        for peer in slow:
            told = await peer.hear("error")
            assert told["d"]["code"] == "timeout"
            assert told["d"]["fatal"] is True
        await ann.still_there()
        assert [each.reason for each in world.hub.audit if each.action == "peer.limited"] == ["timeout"] * 3


async def test_node_ids_that_somebody_had_before_there_was_a_limit_stay(certificates: Certificates) -> None:
    async with attacked(certificates) as world:
        for number in range(5):
            await world.hub._services.records.owners.claim(f"old-{number}", "rogue")
        world.hub.reload(replace(world.hub.config, node_ids=2))
        for number in range(5):
            node = await world.new_client("rogue", "node")
            await node.say("node.register", {"nodeId": f"old-{number}", "platform": {"os": "x", "arch": "x"}})
            await node.hear("node.registered")
        assert "limit 'node-ids'" in await world.take_node_id("rogue")


async def test_limits_follow_the_configuration_for_one_for_a_role_and_for_everybody(certificates: Certificates) -> None:
    async with attacked(certificates) as world:
        rows = (
            Allowance({Resource.SESSIONS: 1}, frozenset({EVERYBODY})),
            Allowance({Resource.SESSIONS: 2}, roles=frozenset({"ops"})),
            Allowance({Resource.SESSIONS: 3}, frozenset({"ann"})),
        )
        for count in range(4):
            world.hub.reload(replace(world.hub.config, quotas=rows[:count]))
            await world.give_back("ann")
            await until(lambda: world.hub._services.quota.connections_of("ann") == 0)
            for _ in range(count):
                assert await world.take_session("ann") == ""
            assert bool(await world.take_session("ann")) is (count > 0)

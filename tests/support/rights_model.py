"""A hub whose grants, labels and options change under requests and what is open, and a model of who may do what.

Used by a test, and by `soak.attacks.rights` at length.
"""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

from support.raw_peer import RawPeer, logged_in, registered
from support.rights import CLIENT, QUESTIONS, RIGHTS, answer_for_ever, config_of, listed, may_ask, told_live
from support.stack import Certificates
from websockets.exceptions import ConnectionClosed

from omnyshell import OmnyShellHub
from omnyshell.security.grant_tables import read_grant

ROLES = ("admin", "dba", "dev", "ops")
NODES = ("db-1", "web-1", "web-2")
FITTING: dict[str, tuple[str, ...]] = {
    "*": NODES,
    "db-*": ("db-1",),
    "web-?": ("web-1", "web-2"),
    "web-1": ("web-1",),
    "?b-1": ("db-1",),
    "@local": (),
}
"""The nodes that each pattern fits."""

LABELS = ({}, {}, {"env": "prod"}, {"env": "test"}, {"env": "prod", "zone": "eu"})
LISTS = (None, "", "dev", "ops,dba", " dev , ops ", "nobody")
ROUNDS = 6
"""Changes of one hub."""

REQUESTS = 25
"""Requests of one round."""


class World:
    """What is configured, as `hub.toml` and the nodes say it, and what follows from that."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.people = {
            f"p{number}": frozenset(chance.sample(ROLES, chance.choice((0, 1, 1, 2)))) for number in range(5)
        }
        self.change()

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in vars(self).items() if name != "chance")

    def change(self) -> None:
        """Everything but people and their roles is another."""
        chance = self.chance
        self.own = {node: self._labels() for node in NODES}
        self.hubs = {node: self._labels() for node in NODES if chance.random() < 0.5}
        self.grants = [self._grant() for _ in range(chance.randrange(6))]
        self.options = {f"open_{which}_tunnels": chance.random() < 0.3 for which in ("local", "node")}
        self.options["list_all_nodes"] = chance.random() < 0.2

    def _labels(self) -> dict[str, str]:
        names = self.chance.choice(LISTS)
        return {**self.chance.choice(LABELS), **({} if names is None else {"allow-roles": names})}

    def _grant(self) -> dict[str, Any]:
        chance = self.chance
        table: dict[str, Any] = {
            "rights": chance.sample(RIGHTS, chance.randrange(1, 4)) if chance.random() < 0.8 else ["*"]
        }
        if chance.random() < 0.5:
            table["roles"] = chance.sample(ROLES, chance.randrange(1, 3))
        else:
            table["principals"] = chance.choice((["*"], chance.sample(sorted(self.people), 2)))
        if chance.random() < 0.7:
            table["nodes"] = chance.sample(sorted(FITTING), chance.randrange(1, 3))
        if "nodes" not in table or ("@local" not in table["nodes"] and chance.random() < 0.4):
            table["labels"] = chance.choice(LABELS[2:])
        if table.get("nodes") == ["@local"]:
            table["rights"] = ["expose"]
        if chance.random() < 0.4:
            table["deny"] = True
        return table

    # What is right, said apart from the code

    def allows(self, who: str, right: str, node: str) -> bool:
        """Tell whether somebody has a right on a node, or at `@local`."""
        meant = [grant for grant in self.grants if self._is_meant(grant, who, right, node)]
        if any(grant.get("deny") for grant in meant):
            return False
        roles = self.people[who]
        if "admin" in roles or meant:
            return True
        if node == "@local":
            return right == "expose" and self.options["open_local_tunnels"]
        lists = [self.own[node].get("allow-roles", ""), self.hubs.get(node, {}).get("allow-roles")]
        named = [{name.strip() for name in names.split(",")} for names in lists if names is not None]
        if not all(names & roles for names in named):
            return False
        return right not in ("expose", "others") or (right == "expose" and self.options["open_node_tunnels"])

    def knows(self, who: str, node: str) -> bool:
        """Tell whether somebody may know of a node."""
        everything = "admin" in self.people[who] or self.options["list_all_nodes"]
        return everything or any(self.allows(who, right, node) for right in RIGHTS)

    def _is_meant(self, grant: dict[str, Any], who: str, right: str, node: str) -> bool:
        if right not in grant["rights"] and grant["rights"] != ["*"]:
            return False
        if not self.people[who] & set(grant.get("roles", ())) and not {who, "*"} & set(grant.get("principals", ())):
            return False
        denies = bool(grant.get("deny"))
        if "nodes" in grant and not any(self._fits(pattern, node, denies) for pattern in grant["nodes"]):
            return False
        return all(self._has(node, *label, denies=denies) for label in grant.get("labels", {}).items())

    @staticmethod
    def _fits(pattern: str, node: str, denies: bool) -> bool:
        if node == "@local":
            return pattern == "@local" or (pattern == "*" and denies)
        return node in FITTING[pattern]

    def _has(self, node: str, key: str, value: str, *, denies: bool) -> bool:
        own, hubs = self.own.get(node, {}).get(key), self.hubs.get(node, {}).get(key)
        return value in (own, hubs) if denies else (own if hubs is None else hubs) == value


SESSIONS: dict[str, dict[str, Any]] = {
    "shell": {"mode": "shell"},
    "exec": {"command": "id"},
    "resumed": {"mode": "exec", "resumeSessionId": "0b0e1f1e-0000-4000-8000-{:012}"},
}
"""Sessions to be asked for; what is resumed is a shell."""

FULL = ("capacity_exceeded", "port_in_use")
"""Reasons that come behind the question who may."""


class Attack:
    """Asks a hub for everything, in anybody's name, and holds what comes of it against the model."""

    def __init__(self, hub: OmnyShellHub, world: World, clients: dict[str, RawPeer]) -> None:
        self._hub = hub
        self._world = world
        self._clients = clients
        self._channel = 0
        self.outcomes = Counter[str]()
        self.problems: list[str] = []

    def check_what_is_open(self) -> None:
        """Nothing is open that is not allowed now."""
        for route in self._hub.sessions:
            right = "exec" if route.session.mode == "exec" and not route.is_resume else "shell"
            self._expect(route.session.principal, right, route.session.node_id, "goes on", happened=True, only_if=True)
        for tunnel in self._hub.tunnels.tunnels:
            self._expect(tunnel.owner.id, "expose", tunnel.info.node_id, "goes on", happened=True, only_if=True)

    async def ask_something(self) -> None:
        """One request."""
        chance = self._world.chance
        who, node = chance.choice(sorted(self._clients)), chance.choice(NODES)
        what = chance.choice((*SESSIONS, *QUESTIONS, "tunnel", "tunnel", "nodes", "access"))
        if what in SESSIONS:
            await self._open(who, node, what)
        elif what in QUESTIONS:
            allowed, _ = await may_ask(self._clients[who], what, node)
            self._expect(who, QUESTIONS[what], node, what, happened=allowed)
        elif what == "tunnel":
            await self._expose(who, chance.choice((node, "@local")))
        elif what == "nodes":
            await self._list(who)
        else:
            await self._explain(who, node)

    async def _open(self, who: str, node: str, what: str) -> None:
        client = self._clients[who]
        self._channel += 1
        # A session of each one's own, as one that somebody else has open is not to be had.
        asked = {key: said.format(self._channel) for key, said in SESSIONS[what].items()}
        await client.say("session.open", {"nodeId": node, **asked}, self._channel)
        answer = await client.hear()
        opened = answer["t"] == "session.opened" or answer["d"]["reason"] in FULL
        self._expect(who, "exec" if what == "exec" else "shell", node, what, happened=opened)

    async def _expose(self, who: str, node: str) -> None:
        client = self._clients[who]
        await client.say("tunnel.open.request", {"requestId": "t", "nodeId": node, "targetPort": 80})
        answer = await client.hear()
        opened = answer["t"] == "tunnel.opened"
        self._expect(who, "expose", node, "tunnel", happened=opened or answer["d"]["reason"] in FULL)
        if opened and self._world.chance.random() < 0.7:
            await client.say("tunnel.close.request", {"requestId": "c", "tunnelRef": answer["d"]["tunnelId"]})
            await client.hear("tunnel.close.response")

    async def _list(self, who: str) -> None:
        known = [node for node in NODES if self._world.knows(who, node)]
        told = await listed(self._clients[who])
        live = sorted(await told_live(self._clients[who]))
        self.outcomes["listed"] += 1
        if told != known or live != known:
            self.problems.append(f"{who} was told of {told} and {live}, and may know of {known}")

    async def _explain(self, who: str, node: str) -> None:
        client = self._clients[who]
        await client.say("admin.access.request", {"requestId": "a", "nodeId": node})
        told = (await client.hear())["d"]
        if ("rights" in told) != self._world.knows(who, node):
            self.problems.append(f"{who} was told {told} about {node}")
        for right in told.get("rights", ()):
            self._expect(who, right["right"], node, "explained", happened=right["allowed"])

    def _expect(self, who: str, right: str, node: str, what: str, *, happened: bool, only_if: bool = False) -> None:
        allowed = self._world.allows(who, right, node)
        self.outcomes["allowed" if happened else "refused"] += not only_if
        if happened != allowed:
            self.problems.append(f"{what}: {who} {'had' if happened else 'had not'} {right} on {node}: {self._world}")


async def attack_one(certificates: Certificates, seed: int) -> Attack:
    world = World(random.Random(seed))
    tokens = [f"{who}:{who}-token:{','.join(roles)}" for who, roles in world.people.items()]
    config = config_of(certificates, [], *tokens, host="127.0.0.1")
    async with AsyncExitStack() as stack, asyncio.timeout(120):
        hub = await stack.enter_async_context(OmnyShellHub(config))
        nodes = {
            node: await stack.enter_async_context(registered(certificates, hub.port, node, features=CLIENT))
            for node in NODES
        }
        answering = [asyncio.create_task(answer_for_ever(node, opens=True)) for node in nodes.values()]
        clients = {
            who: await stack.enter_async_context(logged_in(certificates, hub.port, "client", who, CLIENT))
            for who in world.people
        }
        attack = Attack(hub, world, clients)
        for turn in range(ROUNDS):
            for labels in world.own.values():
                labels["turn"] = str(turn)
            await register_anew(hub, world, nodes)
            given = tuple(read_grant(table, f"grant {number}") for number, table in enumerate(world.grants, 1))
            hub.reload(replace(config, grants=given, node_labels=world.hubs, **world.options))
            for client in clients.values():
                # What the reload has ended is told before the pong.
                await client.still_there()
            attack.check_what_is_open()
            for _ in range(REQUESTS):
                await attack.ask_something()
            world.change()
        for task in answering:
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await task
    return attack


async def register_anew(hub: OmnyShellHub, world: World, nodes: dict[str, RawPeer]) -> None:
    """Have each node say its labels."""
    for name, node in nodes.items():
        platform = {"os": "linux", "arch": "x64"}
        await node.say("node.register", {"nodeId": name, "platform": platform, "labels": world.own[name]})
        await node.say("node.capabilities", {"features": ["tunnel"], "maxSessions": 1000})
        while (found := hub.nodes.find(name)) is None or found.labels != world.own[name] or found.capabilities is None:
            await asyncio.sleep(0.001)

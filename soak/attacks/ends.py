"""3,000 random grants that end, under a clock that jumps: logins, and what they left in a node, are as a list says."""

import asyncio
import logging
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.raw_admin import ADMIN, ask
from support.raw_peer import RawPeer, logged_in, stranger
from support.stack import Certificates, hub_config, running_node

from omnyshell import LoginLimit, OmnyShellHub, OmnyShellNode
from omnyshell.clock import SystemClock
from omnyshell.services.node.config import Keeping
from soak.attacks import how_many, show
from soak.machines import workplace
from soak.report import Figure, report

LONG = Keeping(exec_timeout=86_400.0, auto_detach_timeout=86_400.0)
ROLES = ("admin", "dba", "developer", "ops")
LONGEST = 3600
ALLOWED = {"admin", "developer"}
"""Roles that may use the node."""

LEAVING = 0.08
"""Steps that leave something in the node, or look after it."""

SETTLED = 1.2
"""Seconds after which what the hub looks for twice a second is done, and its node has done it."""

NOTICED = 2.0
"""Seconds after which a login that is open has felt an end."""


class JumpingClock(SystemClock):
    """The time of day jumps ahead; the seconds that a test takes are as good as none beside it."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + self.ahead


@dataclass
class Person:
    """What the list says of one principal, by the clock that jumps."""

    name: str
    token: str = ""
    roles: set[str] = field(default_factory=set)
    timed: dict[str, timedelta] = field(default_factory=dict)
    token_ends: timedelta | None = None
    left: str = ""
    """A session in the node, opened with the token that it had last when it left one."""

    left_until: timedelta | None = None
    """The end of that token."""

    has_lapsed: bool = False
    """Whether it might not go on at some time since: then the hub may have seen that, or not."""

    def may_stay(self, now: timedelta) -> bool:
        """Whether what it left may go on."""
        return (self.left_until is None or now < self.left_until) and bool(self.roles_at(now) & ALLOWED)

    def roles_at(self, now: timedelta) -> set[str]:
        return self.roles | {role for role, end in self.timed.items() if now < end}


class Attack:
    """Grants, jumps and logs in, one after the other."""

    def __init__(
        self, hub: OmnyShellHub, node: OmnyShellNode, certificates: Certificates, clock: JumpingClock, seed: int
    ) -> None:
        self._hub = hub
        self._node = node
        self._certificates = certificates
        self._clock = clock
        self._random = random.Random(seed)
        self._people: list[Person] = []
        self.outcomes = Counter[str]()
        self.problems: list[str] = []

    async def step(self, admin: RawPeer) -> None:
        steps = (self._add, self._give, self._give, self._jump, self._jump, self._new_token, self._log_in, self._log_in)
        if self._random.random() < LEAVING:
            steps = (self._leave, self._look)
        await self._random.choice(steps if self._people else (self._add,))(admin)
        for who in self._people:
            who.has_lapsed = who.has_lapsed or not who.may_stay(self._clock.ahead)

    async def _add(self, admin: RawPeer) -> None:
        if len(self._people) > 50:
            return
        who = Person(f"who{len(self._people)}")
        roles, ttl = self._some_roles(), self._ttl()
        if ttl is not None and not roles:
            return
        fields = {} if ttl is None else {"ttlSeconds": ttl}
        assert (await ask(admin, "admin.principal.add", principal=who.name, roles=sorted(roles), **fields))["ok"]
        if ttl is None:
            who.roles = roles
        else:
            who.timed = dict.fromkeys(roles, self._clock.ahead + timedelta(seconds=ttl))
        self._people.append(who)
        await self._give_token(admin, who)

    async def _give(self, admin: RawPeer) -> None:
        await self._give_to(admin, self._random.choice(self._people))

    async def _give_to(self, admin: RawPeer, who: Person) -> None:
        roles, ttl = self._some_roles(), self._ttl()
        fields = {} if ttl is None else {"ttlSeconds": ttl}
        answer = await ask(admin, "admin.principal.roles", principal=who.name, roles=sorted(roles), **fields)
        is_allowed = ttl is None or bool(roles - who.roles)
        if answer["ok"] != is_allowed:
            self.problems.append(f"{who.name} was given {roles} for {ttl}: {answer}")
        elif ttl is None:
            who.roles, who.timed = roles, {}
        elif is_allowed:
            who.timed |= dict.fromkeys(roles - who.roles, self._clock.ahead + timedelta(seconds=ttl))

    async def _new_token(self, admin: RawPeer) -> None:
        await self._give_token(admin, self._random.choice(self._people))

    async def _give_token(self, admin: RawPeer, who: Person) -> None:
        ttl = self._random.choice((None, None, None, LONGEST))
        fields = {} if ttl is None else {"ttlSeconds": ttl}
        made = await ask(admin, "admin.token.add", "admin.token.added", principal=who.name, **fields)
        who.token = made["token"]
        who.token_ends = None if ttl is None else self._clock.ahead + timedelta(seconds=ttl)

    async def _jump(self, _admin: RawPeer) -> None:
        self._clock.ahead += timedelta(seconds=self._random.choice((1, 60, 600, LONGEST)))

    async def _log_in(self, admin: RawPeer) -> None:
        """Log in, and stay over a jump: what the login has is what it should have, before it and after it."""
        who = self._random.choice(self._people)
        if self._random.random() < 0.5:
            await self._give_to(admin, who)
        async with stranger(self._certificates, self._hub.port) as peer:
            await self._settle()
            await peer.greet("client")
            await peer.say("auth.request", {"method": "token", "principal": who.name, "token": who.token})
            answer = await peer.hear()
            now = self._clock.ahead
            expected = None if who.token_ends is not None and now >= who.token_ends else who.roles_at(now)
            got = set(answer["d"].get("roles", [])) if answer["t"] == "auth.ok" else None
            self.outcomes["refused" if got is None else "with roles" if got else "without roles"] += 1
            if got != expected:
                self.problems.append(f"{who.name} has {got}, and should have {expected}")
            if got is None:
                return
            await self._jump(admin)
            await self._stay(peer, who, got)

    async def _leave(self, _admin: RawPeer) -> None:
        """Open a shell or a command in the node, where the roles allow it, and be lost."""
        who = self._random.choice(self._people)
        if who.left:
            return
        await asyncio.sleep(SETTLED)
        async with stranger(self._certificates, self._hub.port) as peer:
            await peer.greet("client", features=["resume-offset", "rights"])
            await peer.say("auth.request", {"method": "token", "principal": who.name, "token": who.token})
            if (await peer.hear())["t"] != "auth.ok":
                return
            mode = self._random.choice(("shell", "exec"))
            await peer.say("session.open", {"nodeId": "n1", "mode": mode, "command": "sleep 900", "offsets": True}, 1)
            said = await peer.hear()
            if said["t"] == "session.opened":
                who.left, who.left_until, who.has_lapsed = said["d"]["sessionId"], who.token_ends, False
                self.outcomes["left"] += 1

    async def _look(self, _admin: RawPeer) -> None:
        """What was left is there as long as its token and its owner's roles allow it, and no longer."""
        await asyncio.sleep(SETTLED)
        there = {session.id for session in self._node._sessions.running()}
        for who in self._people:
            if who.left in there and not who.may_stay(self._clock.ahead):
                self.problems.append(f"what {who.name} left is there still")
            elif who.left and who.left not in there:
                if not who.has_lapsed:
                    self.problems.append(f"what {who.name} left is gone")
                who.left = ""
                self.outcomes["left and ended"] += 1

    async def _stay(self, peer: RawPeer, who: Person, had: set[str]) -> None:
        now = self._clock.ahead
        is_over = who.token_ends is not None and now >= who.token_ends
        if is_over or who.roles_at(now) != had:
            async with asyncio.timeout(NOTICED):
                error = (await peer.hear("error"))["d"]
            if ("retryAfter" in error) == is_over:
                self.problems.append(f"{who.name}'s login ended with {error}")
            self.outcomes["ended"] += 1
        else:
            await self._settle()
            await peer.still_there()

    async def _settle(self) -> None:
        """What the hub looks for twice a second is done."""
        if self._random.random() < 0.2:
            await asyncio.sleep(0.6)

    def _some_roles(self) -> set[str]:
        return set(self._random.sample(ROLES, self._random.randrange(len(ROLES))))

    def _ttl(self) -> int | None:
        return self._random.choice((None, 1, 60, 600, LONGEST))


async def run(count: int, seed: int, directory: Path, certificates: Certificates) -> Attack:
    clock = JumpingClock()
    config = hub_config(certificates, state_dir=directory / "hub", clock=clock, login_limit=LoginLimit.parse("0"))
    async with (
        OmnyShellHub(config) as hub,
        running_node(
            certificates, hub.port, directory / "node", labels={"allow-roles": "developer"}, keeping=LONG
        ) as node,
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
    ):
        attack = Attack(hub, node, certificates, clock, seed)
        async with asyncio.timeout(count + 60):
            for _ in range(count):
                await attack.step(admin)
    return attack


def main() -> None:
    options = how_many(3_000)
    logging.disable(logging.WARNING)
    with workplace() as (directory, certificates):
        attack = asyncio.run(run(options.count, options.seed, directory, certificates))
    show(attack.problems, options.seed)
    seen = ", ".join(f"{count} {what}" for what, count in sorted(attack.outcomes.items()))
    report(
        "attacks.ends",
        Figure(
            "random roles and tokens that end, under a clock that jumps",
            "each login has what it should have, and ends within 2 s of it",
            f"{options.count} steps: {seen}; {len(attack.problems)} other than the list says",
            not attack.problems and len(attack.outcomes) == 6,
        ),
    )


if __name__ == "__main__":
    main()

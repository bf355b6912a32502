"""Admins who lock each other and change their roles, in orders of chance: some admin can always log in."""

import random
from dataclasses import replace

import pytest
from support.memory_hub import MemoryHub

from omnyshell import TokenAuthenticator, TokenGrant
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages.admin import LockAdd, LockRemove, PrincipalAdd, PrincipalRoles, TokenAdd

NAMES, ROLES = ("adm1", "adm2", "adm3"), ("ops", "night")


class Admins:
    """Three admins, who are all there are."""

    def __init__(self, hub: MemoryHub, chance: random.Random) -> None:
        self.hub, self.chance = hub, chance
        first = hub.logs_in("admin")
        self.tokens: dict[str, str] = {}
        for name in NAMES:
            assert first.asks(PrincipalAdd, principal=name, roles=self._roles()).ok
            self.tokens[name] = first.asks(TokenAdd, principal=name).token
        others = TokenAuthenticator([TokenGrant.parse("bob:bob-token:developer")])
        hub.loop.do(lambda: hub.hub.reload(replace(hub.hub.config, authenticator=others)))

    def _roles(self) -> tuple[str, ...]:
        return ("admin", *self.chance.sample(ROLES, self.chance.randrange(3)))

    def able(self) -> list[str]:
        """Who can log in, each tried from an address of its own."""
        found = []
        for number, name in enumerate(NAMES):
            peer = self.hub.logs_in(name, token=self.tokens[name], address=f"192.0.2.{number}")
            if peer.heard(m.AuthOk):
                found.append(name)
                peer.leaves()
        return found

    def act(self, actor: str) -> None:
        """Have an admin do something of chance."""
        peer = self.hub.logs_in(actor, token=self.tokens[actor])
        kind = self.chance.choice(("principal", "role"))
        name = self.chance.choice(NAMES if kind == "principal" else (*ROLES, "admin"))
        step = self.chance.choice((LockAdd, LockAdd, LockAdd, LockRemove, PrincipalRoles))
        if step is PrincipalRoles:
            answer = peer.asks(step, principal=self.chance.choice(NAMES), roles=self._roles())
        else:
            answer = peer.asks(step, kind=kind, name=name)
        assert answer.ok or answer.message


@pytest.mark.parametrize("seed", range(6))
def test_in_any_order_some_admin_who_could_log_in_still_can(hub: MemoryHub, seed: int) -> None:
    chance = random.Random(seed)
    admins = Admins(hub, chance)
    able = admins.able()
    for _ in range(15):
        admins.act(chance.choice(able))
        # Who is turned away is judged by what it gave, not by how often it tried.
        hub.leaps(60)
        before, able = able, admins.able()
        assert set(before) & set(able)

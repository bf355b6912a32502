"""Changes of one principal after another leave the same logins as reading all of the database does."""

import random
from datetime import UTC, datetime, timedelta

from support.enrolments import Enrolments, put
from support.in_one_test import in_one_test

from omnyshell.errors import AuthException
from omnyshell.ids import PrincipalId
from omnyshell.model.admin import CredentialKind
from omnyshell.security.authenticators import hash_token, principal_of, principals_of
from omnyshell.security.credentials import LoginContext, TokenCredential
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.changes import RemoveCredential
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal

NAMES, TOKENS = ("ann", "bob", "eve"), ("a", "b", "c")
CONTEXT = LoginContext("n" * 43, "client")


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 1, 2, tzinfo=UTC)
        self.ticks = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.ticks


def _logins(enrolled: EnrolledAuthenticator) -> dict[tuple[str, str], frozenset[str] | None]:
    found: dict[tuple[str, str], frozenset[str] | None] = {}
    for name in NAMES:
        for token in TOKENS:
            try:
                login = enrolled.authenticate(TokenCredential(PrincipalId(name), token), CONTEXT)
            except AuthException:
                found[name, token] = None
            else:
                found[name, token] = login.roles
    return found


def _change(rng: random.Random, store: Enrolments, name: str, now: datetime) -> None:
    what = rng.choice(["revoke", "roles", "token", "token", "token", "forget"])
    ends = now + timedelta(seconds=rng.choice([1, 5, 20]))
    is_known = store.has_principal(name)
    if what == "revoke":
        store.remove_principal(name)
    elif what == "roles" or not is_known:
        roles = frozenset(rng.sample(["dev", "ops", "dba"], rng.randint(0, 2)))
        timed = {"night": ends} if rng.random() < 0.3 else {}
        store.put_principal(EnrolledPrincipal(principal=name, roles=roles, timed_roles=timed, created_at=now))
    elif what == "token":
        token = rng.choice(TOKENS)
        put(store.log, [RemoveCredential(f"{name}-{token}", name)])
        store.put_credential(
            EnrolledCredential(
                id=f"{name}-{token}",
                principal=name,
                kind=CredentialKind.TOKEN,
                secret=hash_token(token),
                created_at=now,
                expires_at=ends if rng.random() < 0.5 else None,
            )
        )
    else:
        put(store.log, [RemoveCredential(f"{name}-{rng.choice(TOKENS)}", name)])


@in_one_test("seed", range(5))
def test_one_after_another_is_as_good_as_all_at_once(seed: int) -> None:
    rng, clock, store = random.Random(seed), Clock(), Enrolments(StateFile(None))
    enrolled = EnrolledAuthenticator(store, clock)
    store.log.follow(enrolled.follow)
    for _ in range(200):
        if rng.random() < 0.7:
            name = rng.choice(NAMES)
            _change(rng, store, name, clock.now())
        else:
            clock.at += timedelta(seconds=rng.choice([1, 3]))
        fresh = EnrolledAuthenticator(store, clock)
        assert _logins(enrolled) == _logins(fresh)
        assert principals_of(enrolled) == principals_of(fresh)
        for name in NAMES:
            who = PrincipalId(name)
            assert principal_of(enrolled, who) == principals_of(fresh).get(who)


def test_whose_end_has_come_is_told_once() -> None:
    clock, store = Clock(), Enrolments(StateFile(None))
    for number, name in enumerate(NAMES):
        ends = clock.now() + timedelta(seconds=number + 1)
        store.put_principal(EnrolledPrincipal(principal=name, timed_roles={"ops": ends}, created_at=clock.now()))
    enrolled = EnrolledAuthenticator(store, clock)
    clock.at += timedelta(seconds=2)
    assert enrolled.expire() == {"ann", "bob"}
    assert enrolled.expire() == set()
    clock.at += timedelta(seconds=2)
    assert enrolled.expire() == {"eve"}


def test_a_clock_that_is_set_back_prolongs_nothing() -> None:
    clock, store = Clock(), Enrolments(StateFile(None))
    ends = clock.now() + timedelta(seconds=10)
    store.put_principal(EnrolledPrincipal(principal="ann", timed_roles={"ops": ends}, created_at=clock.now()))
    enrolled = EnrolledAuthenticator(store, clock)
    clock.at -= timedelta(days=1)
    clock.ticks = 9.0
    assert enrolled.expire() == set()
    clock.ticks = 10.0
    assert enrolled.expire() == {"ann"}
    assert enrolled.expire() == set()
    # What it gets from now on counts from now on.
    later = clock.now() + timedelta(days=2)
    store.put_principal(EnrolledPrincipal(principal="ann", timed_roles={"ops": later}, created_at=clock.now()))
    enrolled.take("ann", enrolled.read("ann"))
    clock.ticks += 100
    assert enrolled.expire() == set()

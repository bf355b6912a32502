"""Who may have a session that a keeper holds, and where it is, as its keeper answers or does not."""

import asyncio
from typing import Any, cast

import pytest
from support.deadline import DEADLINE

from omnyshell.keeper import wire
from omnyshell.keeper.users import IMPOSSIBLE_NAME
from omnyshell.services.node.backend import Asker, Foreground
from omnyshell.services.node.environment import account
from omnyshell.services.node.keeper import kept_leader
from omnyshell.services.node.keeper.client import Owner, Refusal
from omnyshell.services.node.keeper.kept_leader import NO_KEEPER, UNKNOWN_USER, KeptLeader
from omnyshell.services.node.keeper.place import NoKeeperException

ANN = Owner("ann", 1000)
DEV = Asker("dev", ("ops", "dba"), ("ann",))


class FakeClient:
    """A keeper that gives one answer, and remembers what it was asked."""

    def __init__(self, answer: object, *, judges: bool = True) -> None:
        self.answer = answer
        self.judges = judges
        self.asked: list[tuple[bytes, ...]] = []
        self.told: list[tuple[bytes, bool]] = []

    def ask(self, *words: bytes, answered: Any) -> None:
        self.asked.append(words)
        answered(self.answer)

    def tell(self, verb: bytes, _name: bytes, *, is_urgent: bool) -> None:
        self.told.append((verb, is_urgent))


async def leader_of(client: FakeClient, owner: Owner | None) -> KeptLeader:
    leader = KeptLeader(cast("Any", client), "s", lambda _: None)
    leader.begun(1, owner)
    return leader


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([], ""),
        (Refusal(wire.REFUSED, "'dev' may not become 'ann' here"), "'dev' may not become 'ann' here"),
        (Refusal(wire.UNKNOWN_VERB, "This keeper is older"), "This keeper is older"),
        (NoKeeperException("the keeper has ended"), NO_KEEPER),
        (OSError("no"), NO_KEEPER),
    ],
)
async def test_what_the_keeper_does_not_answer_is_a_no(answer: object, why: str) -> None:
    client, said = FakeClient(answer), list[str]()
    leader = await leader_of(client, ANN)
    leader.admit(DEV, said.append)
    assert said == [why]
    assert client.asked == [(wire.ADMIT, b"dev\ndba,ops\nann\nann", b"1000")]
    assert leader.user == "ann"


@pytest.mark.parametrize(
    "asker",
    [
        Asker("a\nb"),
        Asker("a\0b"),
        Asker("a", tuple(f"role-{number}" for number in range(9999))),
        Asker("a", logins=("one,two",)),
        Asker("a", logins=("",)),
    ],
)
async def test_who_cannot_be_asked_for_is_refused_and_costs_no_connection(asker: Asker) -> None:
    client, said = FakeClient([]), list[str]()
    (await leader_of(client, ANN)).admit(asker, said.append)
    assert (said, client.asked) == ([IMPOSSIBLE_NAME], [])


@pytest.mark.parametrize(
    ("judges", "logins", "why", "user"),
    [
        (True, (), UNKNOWN_USER, ""),
        (False, (), "", account().name),
        (False, (account().name,), "", account().name),
        (False, ("nobody-else",), "so nobody becomes whom the hub allows", account().name),
    ],
)
async def test_what_is_the_keepers_users_is_everybodys_unless_it_judges(
    judges: bool, logins: tuple[str, ...], why: str, user: str
) -> None:
    client, said = FakeClient([], judges=judges), list[str]()
    leader = await leader_of(client, None)
    leader.admit(Asker("dev", logins=logins), said.append)
    assert why in said[0]
    assert bool(said[0]) is bool(why)
    assert (leader.user, client.asked) == (user, [])


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ([b"7", b"vim", b"/home/ann"], Foreground("vim", "/home/ann")),
        ([b"0", b"", b""], Foreground()),
        ([b"7", b"\xff", b"/\xff"], Foreground("\N{REPLACEMENT CHARACTER}", "/\N{REPLACEMENT CHARACTER}")),
        (Refusal(wire.NO_SUCH, "no"), Foreground()),
    ],
)
async def test_where_anothers_shell_is_the_keeper_tells(answer: object, seen: Foreground) -> None:
    client, done = FakeClient(answer), list[int]()
    leader = await leader_of(client, ANN)
    leader.look(lambda: done.append(1))
    assert (leader.seen, done, client.asked) == (seen, [1], [(wire.WHERE, b"s")])


async def test_who_wants_to_know_at_a_time_has_the_keeper_asked_once() -> None:
    class Slow(FakeClient):
        def ask(self, *words: bytes, answered: Any) -> None:
            self.asked.append(words)
            self.answered = answered

    client, done = Slow([]), list[int]()
    leader = await leader_of(client, ANN)
    for number in range(3):
        leader.look(lambda number=number: done.append(number))
    assert (done, client.asked) == ([], [(wire.WHERE, b"s")])
    client.answered([b"7", b"vim", b"/home/ann"])
    assert (leader.seen, done) == (Foreground("vim", "/home/ann"), [0, 1, 2])
    # Who asks later is told what is so then.
    leader.look(lambda: done.append(3))
    assert len(client.asked) == 2


async def test_a_keeper_that_does_not_say_where_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(FakeClient):
        def ask(self, *words: bytes, answered: Any) -> None:
            self.asked.append(words)
            self.answered = answered

    monkeypatch.setattr(kept_leader, "LOOK_TIME", 0)
    client, looked, done = Silent([]), asyncio.Event(), list[int]()
    leader = await leader_of(client, ANN)
    leader.look(looked.set)
    async with asyncio.timeout(DEADLINE):
        await looked.wait()
    # What it says later is what is known then; who asks meanwhile has it asked again.
    leader.look(lambda: done.append(1))
    client.answered([b"7", b"vim", b"/home/ann"])
    assert (leader.seen, done, len(client.asked)) == (Foreground("vim", "/home/ann"), [1], 2)


async def test_where_ones_own_shell_is_nobody_has_to_tell() -> None:
    for client, owner in ((FakeClient([], judges=False), None), (FakeClient([]), Owner(account().name, 0))):
        done = list[int]()
        (await leader_of(client, owner)).look(lambda done=done: done.append(1))
        assert (done, client.asked) == ([1], [])


async def test_the_end_of_input_is_told_at_once_and_what_becomes_of_an_ended_session_when_there_is_time() -> None:
    client, codes = FakeClient([]), list[int | None]()
    leader = await leader_of(client, None)
    leader.watch(codes.append)
    leader.input_closed()
    leader.end(3)
    leader.input_closed()
    leader.output_done()
    assert client.told == [(wire.CLOSE_STDIN, True), (wire.CLOSE_STDIN, False), (wire.STOP_READING, False)]
    assert codes == [3]


async def test_of_a_session_that_is_left_to_the_next_process_nothing_is_heard_any_more() -> None:
    """Its output would be given up, as that of one whose end was told."""
    client, codes = FakeClient([]), list[int | None]()
    leader = await leader_of(client, None)
    leader.watch(codes.append)
    leader.leave()
    leader.end(0)
    assert (codes, client.told) == ([], [])


async def test_what_was_killed_is_forgotten_also_where_the_loop_is_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer of a loop may come a moment before its time, as uvloop's do."""
    client, later = FakeClient([]), list[Any]()
    loop = asyncio.get_running_loop()
    leader = await leader_of(client, None)
    monkeypatch.setattr(loop, "call_later", lambda _seconds, action: later.append(action) or loop.call_at(1e9, action))
    leader.kill()
    leader.end(-9)
    leader.output_done()
    leader.forget()
    assert client.told == []
    later[0]()
    assert client.asked[-1] == (wire.SIGNAL, b"s", wire.SESSION, b"9")
    assert client.told == [(wire.FORGET, False)]

"""Ids that many nodes ask for at once are claimed together."""

from collections.abc import Callable

from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.nodes.owners import MOST_TOGETHER, NodeOwners
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.log import SqliteLog


class Turns:
    """Ends turns of a loop when a test says so."""

    def __init__(self) -> None:
        self._later: list[Callable[[], None]] = []

    def later(self, call: Callable[[], None]) -> None:
        self._later.append(call)

    def end(self) -> bool:
        """End one; return whether anything waited for that."""
        calls, self._later = self._later, []
        for call in calls:
            call()
        return bool(calls)


def test_the_first_is_answered_at_once_and_what_comes_meanwhile_together() -> None:
    log, turns = SqliteLog(file := StateFile(None)), Turns()
    owners = NodeOwners(file, log, turns.later)
    answers = [owners.claim(f"n{number}", "box") for number in range(MOST_TOGETHER + 2)]
    assert [each.is_there for each in answers] == [True] + [False] * (MOST_TOGETHER + 1)
    assert owners.count_of("box") == len(answers)
    assert owners.claim("n1", "box") is answers[1]
    turns.end()
    assert (sum(each.is_there for each in answers), log.applied_seq) == (MOST_TOGETHER + 1, 2)
    while turns.end():
        pass
    assert all(each.is_there for each in answers)
    assert (log.applied_seq, owners.count_of("box"), len(owners.owners())) == (3, len(answers), len(answers))
    assert owners.claim("late", "box").is_there


def test_one_that_cannot_be_had_takes_no_other_with_it() -> None:
    file, turns = StateFile(None), Turns()
    owners = NodeOwners(file, SqliteLog(file), turns.later)
    first = owners.claim("first", "box")
    asked = (("a", "ann"), ("b", "bob"), ("a", "bob"), ("c", "ann"))
    wanted = {each: owners.claim(*each) for each in asked}
    while turns.end():
        pass
    assert first.is_there
    assert {who for (id_, who), each in wanted.items() if id_ == "a" and _is_refused(each.now)} in ({"ann"}, {"bob"})
    assert wanted["b", "bob"].now()
    assert wanted["c", "ann"].now()
    assert owners.count_of("ann") + owners.count_of("bob") == 3


def test_without_turns_each_is_claimed_by_itself() -> None:
    log = SqliteLog(file := StateFile(None))
    owners = NodeOwners(file, log)
    assert [owners.claim(f"n{number}", "box").now() for number in range(3)] == [1, 2, 3]


def _is_refused(now: Callable[[], int]) -> bool:
    try:
        now()
    except ChangeRefusedException:
        return True
    return False

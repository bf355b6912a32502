"""Pipes that are there before a command is: how many, and whose they are."""

from pathlib import Path

from omnyshell.keeper import wire
from omnyshell.keeper.streams import close_all, open_streams
from omnyshell.services.node.keeper.ahead import PipesAhead


def opened() -> dict[str, int]:
    ours, of_program = open_streams(wire.PIPES, 1, 1)
    close_all(of_program)
    return {name.decode(): fd for name, fd in ours.items()}


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_as_many_are_ready_as_were_missed_and_no_more_than_a_keeper_opens() -> None:
    ahead, before = PipesAhead(), descriptors()
    assert (ahead.missing(), ahead.missing()) == (1, 0)
    ahead.came(7, 1, [opened()])
    taken = ahead.take()
    assert taken is not None
    assert (taken.key, set(taken.by_name)) == (b"7.0", {"stdin", "stdout", "stderr"})
    assert (taken.record.journal.end, taken.record.state) == (0, None)
    taken.close()
    del taken
    assert [ahead.take() for _ in range(2)] == [None, None]
    assert (ahead.missing(), ahead.missing()) == (3, 0)
    ahead.came(8, 3, [opened() for _ in range(3)])
    for key in (b"8.0", b"8.1", b"8.2"):
        taken = ahead.take()
        assert taken is not None
        assert taken.key == key
        taken.close()
    del taken
    assert [ahead.take() for _ in range(20)] == [None] * 20
    assert ahead.missing() == wire.MOST_OPENED
    ahead.came(9, wire.MOST_OPENED, [opened()])
    ahead.drop()
    assert descriptors() == before


def test_what_a_keeper_refuses_is_asked_for_again_and_what_is_no_memory_is_closed() -> None:
    ahead, before = PipesAhead(), descriptors()
    assert ahead.missing() == 1
    ahead.came(1, 1, [])
    assert ahead.missing() == 1
    wrong = opened()
    wrong["record"], wrong["stdin"] = wrong["stdin"], wrong["record"]
    ahead.came(2, 1, [wrong])
    assert (ahead.take(), ahead.missing()) == (None, 2)
    ahead.drop()
    assert descriptors() == before

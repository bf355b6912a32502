"""Time in which a hub did nothing counts against no peer."""

from omnyshell.services.hub.ground.running_time import RunningTime


def test_time_in_which_nothing_was_done_does_not_count() -> None:
    ran = RunningTime(100.0, 0.5)
    assert [ran.wake(100.5), ran.wake(101.5)] == [0.0, 0.0]
    assert ran.of(101.5) == 101.5
    assert ran.wake(121.5) == 20.0
    assert ran.of(121.5) == 102.0
    assert ran.wake(122.0) == 0.0
    assert ran.of(122.0) == 102.5


def test_what_peers_said_meanwhile_is_read_first_but_not_for_ever() -> None:
    ran, now, firsts = RunningTime(0.0, 0.5), 0.0, []
    for passed in (0.5, 3.0, 0.5, 3.0, 3.0, 3.0, 3.0, 0.5):
        now += passed
        ran.wake(now)
        firsts.append(ran.has_to_read_first)
    assert firsts == [False, True, False, True, False, True, False, False]

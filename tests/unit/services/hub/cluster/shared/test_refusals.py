"""A hub that says ever something else that does not count is told of so often, and no more."""

from omnyshell.services.hub.cluster.shared.refusals import MOST_TOLD, NO_MORE, PERIOD, Refusals


def test_of_each_hub_no_more_is_told_than_its_share_in_a_while() -> None:
    told: list[tuple[str, str]] = []
    now = 0.0
    refusals = Refusals(lambda hub, why: told.append((hub, why)), lambda: now)
    for number in range(2 * MOST_TOLD):
        now = number / 100
        refusals.tell("b", f"reason {number}")
    assert [why for _, why in told[-2:]] == [f"reason {MOST_TOLD - 2}", f"reason {MOST_TOLD - 1}{NO_MORE}"]
    refusals.tell("c", "its own reason")
    assert (len(told), told[-1]) == (MOST_TOLD + 1, ("c", "its own reason"))
    now = PERIOD
    refusals.tell("b", "later")
    assert told[-1] == ("b", f"later{NO_MORE}")
    now = 2 * PERIOD
    refusals.tell("b", "much later")
    assert told[-1] == ("b", "much later")

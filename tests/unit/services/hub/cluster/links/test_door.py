"""Of whom it is told that they were refused a link, before they said who they are."""

import math
import ssl

from omnyshell.services.hub.cluster.links.door import AGAIN, GRACE, MOST_ADDRESSES, Door

WHY = "10.0.0.{} shows no certificate of a member"


def refused(reason: str) -> ssl.SSLError:
    error = ssl.SSLError()
    error.reason = reason
    return error


NO_MEMBER = refused("CERTIFICATE_VERIFY_FAILED")


def test_an_address_is_told_of_once_in_a_while() -> None:
    door = Door()
    door.refused("10.0.0.1", refused("PEER_DID_NOT_RETURN_A_CERTIFICATE"), 0)
    door.refused("10.0.0.2", refused("WRONG_VERSION_NUMBER"), 0)
    assert door.to_tell(GRACE) == [WHY.format(1)]
    door.refused("10.0.0.1", NO_MEMBER, AGAIN - 1)
    assert door.to_tell(math.inf) == []
    door.refused("10.0.0.1", NO_MEMBER, AGAIN)
    assert door.to_tell(AGAIN + GRACE) == [WHY.format(1)]


def test_of_very_many_addresses_the_first_are_told_of() -> None:
    door = Door()
    for number in range(3 * MOST_ADDRESSES):
        door.refused(f"10.0.0.{number}", NO_MEMBER, 0)
    assert sorted(door.to_tell(GRACE)) == sorted(WHY.format(number) for number in range(MOST_ADDRESSES))
    door.refused("10.0.0.255", NO_MEMBER, AGAIN)
    assert door.to_tell(math.inf) == [WHY.format(255)]


def test_a_hub_that_joined_before_this_one_knew_of_it_is_not_told_of() -> None:
    door = Door()
    door.refused("10.0.0.1", NO_MEMBER, 0)
    door.refused("10.0.0.2", NO_MEMBER, 0)
    assert door.to_tell(GRACE - 1) == []
    door.came_in("10.0.0.1")
    assert door.to_tell(GRACE) == [WHY.format(2)]
    # What comes from there later is told of as of any.
    door.refused("10.0.0.1", NO_MEMBER, GRACE)
    door.came_in("10.0.0.3")
    assert door.to_tell(2 * GRACE) == [WHY.format(1)]
    # Neither is what was told taken back.
    door.came_in("10.0.0.1")
    door.refused("10.0.0.1", NO_MEMBER, 2 * GRACE)
    assert door.to_tell(math.inf) == []

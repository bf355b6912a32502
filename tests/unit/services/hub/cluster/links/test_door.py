"""Of whom it is told that they were refused a link, before they said who they are."""

import ssl

from omnyshell.services.hub.cluster.links.door import AGAIN, MOST_ADDRESSES, Door

WHY = "10.0.0.1 shows no certificate of a member"


def refused(reason: str) -> ssl.SSLError:
    error = ssl.SSLError()
    error.reason = reason
    return error


NO_MEMBER = refused("CERTIFICATE_VERIFY_FAILED")


def test_an_address_is_told_of_once_in_a_while() -> None:
    door = Door()
    assert door.why_refused("10.0.0.1", refused("PEER_DID_NOT_RETURN_A_CERTIFICATE"), 0) == WHY
    assert door.why_refused("10.0.0.1", NO_MEMBER, AGAIN - 1) == ""
    assert door.why_refused("10.0.0.1", NO_MEMBER, AGAIN) == WHY
    assert door.why_refused("10.0.0.2", refused("WRONG_VERSION_NUMBER"), AGAIN) == ""


def test_of_very_many_addresses_the_first_are_told_of() -> None:
    door = Door()
    told = [number for number in range(3 * MOST_ADDRESSES) if door.why_refused(f"10.0.0.{number}", NO_MEMBER, 0)]
    assert told == list(range(MOST_ADDRESSES))
    assert door.why_refused("10.0.0.255", NO_MEMBER, AGAIN)

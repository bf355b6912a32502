"""Who is refused a link before they have said who they are. No I/O."""

import ssl

MOST_ADDRESSES = 64
"""Addresses that are told of within `AGAIN`; of more, nothing is told until then."""

AGAIN = 600.0
"""Seconds after which an address that is refused is told of again."""

GRACE = 8.0
"""Seconds for which an address may turn out to be a hub's that joined just now: it may know of that before this one
does, and dials again."""

_NO_MEMBER = frozenset(("CERTIFICATE_VERIFY_FAILED", "PEER_DID_NOT_RETURN_A_CERTIFICATE"))
"""OpenSSL's reasons for certificates; all else is no attempt to be a hub."""


class Door:
    """Decides of whom it is told: anybody may try as often as they like, and each record costs."""

    def __init__(self) -> None:
        self._refused: dict[str, float] = {}
        """Addresses, with when they were refused; those that are told of or will be."""

        self._untold: set[str] = set()

    def refused(self, address: str, error: ssl.SSLError, now: float) -> None:
        """Note an address whose handshake has failed. `now` is in seconds."""
        if error.reason not in _NO_MEMBER:
            return
        self._refused = {known: at for known, at in self._refused.items() if now - at < AGAIN}
        if address not in self._refused and len(self._refused) < MOST_ADDRESSES:
            self._refused[address] = now
            self._untold.add(address)

    def came_in(self, address: str) -> None:
        """A member has a link from there: if it was refused just now, it was that member's."""
        if address in self._untold:
            self._untold.discard(address)
            del self._refused[address]

    def to_tell(self, now: float) -> list[str]:
        """Return what is to be told of addresses by now, each once."""
        due = sorted(address for address in self._untold if now - self._refused[address] >= GRACE)
        self._untold.difference_update(due)
        return [f"{address} shows no certificate of a member" for address in due]

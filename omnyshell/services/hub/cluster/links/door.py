"""Who is refused a link before they have said who they are. No I/O."""

import ssl

MOST_ADDRESSES = 64
"""Addresses that are told of within `AGAIN`; of more, nothing is told until then."""

AGAIN = 600.0
"""Seconds after which an address that is refused is told of again."""

_NO_MEMBER = frozenset(("CERTIFICATE_VERIFY_FAILED", "PEER_DID_NOT_RETURN_A_CERTIFICATE"))
"""OpenSSL's reasons for certificates; all else is no attempt to be a hub."""


class Door:
    """Decides of whom it is told: anybody may try as often as they like, and each record costs."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def why_refused(self, address: str, error: ssl.SSLError, now: float) -> str:
        """Return what to tell of an address whose handshake has failed; "" for nothing. `now` is in seconds."""
        if error.reason not in _NO_MEMBER:
            return ""
        self._told = {known: at for known, at in self._told.items() if now - at < AGAIN}
        if address in self._told or len(self._told) >= MOST_ADDRESSES:
            return ""
        self._told[address] = now
        return f"{address} shows no certificate of a member"

"""How long a WebSocket ping takes to be answered."""

import time


class Pings:
    """Measures by the first ping that is not answered."""

    round_trip: float | None = None
    """The last measured round trip in seconds; None before the first."""

    _sent_at: float | None = None

    def sent(self) -> None:
        """A ping goes out."""
        if self._sent_at is None:
            self._sent_at = time.monotonic()

    def answered(self) -> None:
        """A pong has come; one that was not asked for says nothing."""
        if self._sent_at is not None:
            self.round_trip, self._sent_at = time.monotonic() - self._sent_at, None

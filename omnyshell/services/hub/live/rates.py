"""The growth rates of two counters, sampled at intervals."""


class Rates:
    """Bytes a second in each direction, since the previous sample."""

    __slots__ = ("_last", "rate_in", "rate_out")

    def __init__(self, bytes_in: int, bytes_out: int) -> None:
        self._last = (bytes_in, bytes_out)
        self.rate_in = self.rate_out = 0

    def sample(self, bytes_in: int, bytes_out: int, seconds: float) -> bool:
        """Take the counters, `seconds` after the last sample; return whether they or the rates changed."""
        last_in, last_out = self._last
        if bytes_in == last_in and bytes_out == last_out and not (self.rate_in or self.rate_out):
            return False
        self._last = (bytes_in, bytes_out)
        self.rate_in, self.rate_out = int((bytes_in - last_in) / seconds), int((bytes_out - last_out) / seconds)
        return True

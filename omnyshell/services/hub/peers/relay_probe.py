"""Measures what passing a frame on takes, of a few frames: the others cost no more than a look at a flag."""

import time

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.hub.ground.histogram import Histogram
from omnyshell.services.hub.peers.channel_owner import ChannelOwner


class RelayProbe:
    """Takes the time of one frame whenever it is armed. Whoever has a frame asks whether it `is_armed`."""

    __slots__ = ("_histogram", "is_armed")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self.is_armed = False

    def arm(self) -> None:
        """Measure the next frame. Idempotent."""
        self.is_armed = True

    def measure(self, owner: ChannelOwner, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        """Give a frame to its owner, and take the time."""
        self.is_armed = False
        started = time.perf_counter()
        owner.data(opcode, raw)
        self._histogram.observe(time.perf_counter() - started)

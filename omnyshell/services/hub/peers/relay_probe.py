"""Measures the time of relaying a sample of frames; other frames only cost a check of a flag."""

import time

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.hub.ground.histogram import Histogram
from omnyshell.services.hub.peers.channel_owner import ChannelOwner


class RelayProbe:
    """Measures one frame each time it is armed. Callers check `is_armed` for each frame."""

    __slots__ = ("_histogram", "is_armed")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self.is_armed = False

    def arm(self) -> None:
        """Measure the next frame. Idempotent."""
        self.is_armed = True

    def measure(self, owner: ChannelOwner, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        """Pass a frame to its owner, and record the time."""
        self.is_armed = False
        started = time.perf_counter()
        owner.data(opcode, raw)
        self._histogram.observe(time.perf_counter() - started)

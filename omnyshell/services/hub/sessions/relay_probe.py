"""Measures what relaying a frame takes, without a cost for the frames that are not measured."""

import time
from collections.abc import Callable

from omnyshell.services.hub.ground.histogram import Histogram

DataHandler = Callable[..., None]
"""Takes a peer, an opcode, a channel and a frame."""


class RelayProbe:
    """Takes the time of one frame whenever it is armed.

    An armed probe stands before the service's `data`, and is gone after one frame.
    """

    def __init__(self, service: object, histogram: Histogram) -> None:
        self._service = service
        self._histogram = histogram
        self._relay: DataHandler = service.data  # type: ignore[attr-defined]  # a role's service

    def arm(self) -> None:
        """Measure the next frame. Idempotent."""
        vars(self._service)["data"] = self._measured

    def _measured(self, *frame: object) -> None:
        del vars(self._service)["data"]
        started = time.perf_counter()
        self._relay(*frame)
        self._histogram.observe(time.perf_counter() - started)

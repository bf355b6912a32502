"""A stream by which another one is judged is waited for as long as it goes on, however long it is."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from omnyshell.services.hub.cluster.nats.stream import NatsOrder


class Reads:
    """Is set after some waits, each of which is too long; records are taken meanwhile, or not."""

    def __init__(self, order: NatsOrder, waits: int, taken: int) -> None:
        self._order, self._waits, self._taken = order, waits, taken
        self.waited = 0

    def is_set(self) -> bool:
        return self.waited == self._waits

    async def wait(self) -> None:
        self.waited += 1
        self._order._taking.seq += self._taken
        raise TimeoutError


@pytest.mark.parametrize(("taken", "waits"), [(1, 5), (0, 1)])
async def test_what_is_read_on_is_waited_for_and_what_stands_still_is_not(taken: int, waits: int) -> None:
    order = NatsOrder(cast("Any", SimpleNamespace(name="a", on_connected=[])), "truth", cast("Any", None))
    reads = Reads(order, 5, taken)
    order._reads = cast("Any", reads)
    await order._is_read_by(5.0)
    assert reads.waited == waits

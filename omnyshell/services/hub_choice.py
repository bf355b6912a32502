"""To which of several hubs a peer goes (docs/architecture.md#failover). No I/O."""

import random
from collections.abc import Callable, Iterable

from omnyshell.errors import ConfigException
from omnyshell.model.hubs import MOST_HUBS, USUAL_WEIGHT, OtherHub
from omnyshell.transport.connection import HubAddress

STEADY = 10.0
"""Seconds of connection after which a hub that is lost then does not count as one that takes peers and drops them."""


class HubChoice:
    """Goes through the hubs in rounds: in each one every hub is tried once, in an order that is drawn by weight.

    The first one is the peer's own, by which it was configured. A hub that was lost is the last of its round, behind
    those that did not answer lately; one that drops the peer again and again is tried no oftener than the others.
    Nothing here waits: see `is_round_over`.
    """

    def __init__(
        self,
        home: HubAddress,
        others: Iterable[OtherHub] = (),
        draw: Callable[[], float] = random.random,
        is_silent: Callable[[HubAddress], bool] = lambda _hub: False,
    ) -> None:
        """`others` are those that were known before; `draw` returns numbers from 0 up to 1.

        `is_silent` tells whether a hub did not answer lately.
        """
        self.home = home
        self.at = home
        """The hub of the present connection, or of the last attempt."""

        self._draw = draw
        self._is_silent = is_silent
        self._weights: dict[HubAddress, int] = {home: USUAL_WEIGHT}
        self._tried: set[HubAddress] = set()
        self._is_new = True
        self.told(others)

    @property
    def others(self) -> tuple[OtherHub, ...]:
        """All but the peer's own, as they are remembered."""
        found = ((hub, weight) for hub, weight in self._weights.items() if hub != self.home)
        return tuple(OtherHub(url=str(hub), weight=weight) for hub, weight in found)

    @property
    def has_others(self) -> bool:
        """Whether there is another hub than the present one."""
        return any(hub != self.at for hub in self._weights)

    @property
    def is_round_over(self) -> bool:
        """Whether each hub was tried: wait before the next attempt, and longer each time."""
        return self._tried >= set(self._weights)

    def told(self, others: Iterable[OtherHub]) -> None:
        """The present hub says which others there are. What is no address, or too much, does not count."""
        known = self._weights
        self._weights = {self.home: known[self.home], self.at: known.get(self.at, USUAL_WEIGHT)}
        for other in list(others)[:MOST_HUBS]:
            try:
                self._weights[HubAddress.parse(other.url)] = other.weight
            except ConfigException:
                continue
        self._tried &= set(self._weights)

    def next(self) -> HubAddress:
        """Choose the hub to try now."""
        is_new, self._is_new = self._is_new, False
        if is_new and not (self.has_others and self._is_silent(self.home)):
            self.at = self.home
        else:
            is_new_round = self.is_round_over
            if is_new_round:
                self._tried.clear()
            # The one that was tried last does not begin the next round, where there are others.
            last = {self.at} if is_new_round and self.has_others else set[HubAddress]()
            left = [hub for hub in self._weights if hub not in self._tried | last]
            self.at = self._drawn([hub for hub in left if not self._is_silent(hub)] or left)
        self._tried.add(self.at)
        return self.at

    def came(self, hub: HubAddress) -> None:
        """A hub is the present one, of several that were tried at a time."""
        self.at = hub

    def lost(self, held: float) -> None:
        """The present hub was lost that had been there for `held` seconds; a new round begins after steady ones."""
        if held >= STEADY:
            self._tried = {self.at}

    def _drawn(self, hubs: list[HubAddress]) -> HubAddress:
        weights = [self._weights[hub] for hub in hubs]
        at = self._draw() * sum(weights)
        for hub, weight in zip(hubs, weights, strict=True):
            if at < weight:
                return hub
            at -= weight
        # All have the weight 0.
        return hubs[min(int(self._draw() * len(hubs)), len(hubs) - 1)]

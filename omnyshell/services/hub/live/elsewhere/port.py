"""The port by which the live view asks other hubs, and tells them."""

from collections.abc import Collection, Sequence
from typing import Protocol

from omnyshell.model.live import LiveHub
from omnyshell.services.hub.live.subscribers import Receiver


class HearsHubs(Protocol):
    """What the port tells. None of it may raise."""

    def came_up(self, hub: str) -> None:
        """There is a link with that hub."""

    def went_down(self, hub: str) -> None:
        """There is none any more."""

    def asked(self, hub: str, number: int, receiver: Receiver, *, looks: bool) -> None:
        """That hub wants to be told what is live here, from a snapshot on, in place of what it wanted before.

        `number` stands as the id in all that it is told; with `looks` it is told of nodes' vitals too.
        """

    def looked(self, hub: str, *, looks: bool) -> None:
        """That hub wants to be told of nodes' vitals too, or of these no more."""

    def left(self, hub: str) -> None:
        """That hub wants to be told nothing any more."""

    def told(self, hub: str, raw: bytes) -> None:
        """That hub tells what is live there: a message of the extension `events`."""


class OtherHubs(Protocol):
    """The other hubs of a hub that is one of several."""

    @property
    def own(self) -> str:
        """The id of this hub."""

    def hear(self, hears: HearsHubs) -> None:
        """Tell this of what other hubs say from now on."""

    def up(self) -> Collection[str]:
        """Return the hubs with which there are links."""

    def hubs(self) -> Sequence[LiveHub]:
        """Return what is known of each hub, this one too, beside whether its items are told."""

    def ask(self, hub: str, number: int, *, looks: bool) -> None:
        """Ask a hub to tell what is live there; see `HearsHubs.asked`."""

    def look(self, hub: str, *, looks: bool) -> None:
        """Ask a hub for nodes' vitals too, or for these no more."""

    def leave(self, hub: str) -> None:
        """Ask a hub to tell nothing any more."""

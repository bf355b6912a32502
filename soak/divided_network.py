"""Hubs in network namespaces of their own, each on three networks: to the engine, to other hubs, to who watches.

The networks are bridges in a namespace that this program enters; a hub is cut off as its end is taken from a bridge,
so that its packets go nowhere, without an error. Root only.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from soak.far_away import CLONE_NEWNET, enter, run

ENGINE, HUBS, WATCH = "engine", "hubs", "watch"
"""The networks."""

_NUMBERS = {ENGINE: 1, HUBS: 2, WATCH: 3}
MIDDLE = 254
"""The last number of this program's own addresses."""


class DividedNetwork:
    """Three networks, on which each place has an address. Made by `divided_network`."""

    def __init__(self, places: tuple[str, ...]) -> None:
        self.places = places
        self._middle = f"soak-middle-{os.getpid()}"

    def namespace(self, place: str) -> str:
        return f"soak-{place}-{os.getpid()}"

    def address(self, network: str, place: str) -> str:
        return self._numbered(network, self.places.index(place) + 1)

    def own_address(self, network: str, number: int = MIDDLE) -> str:
        """An address of this program, of which it has some on the engine's network."""
        return self._numbered(network, number)

    @staticmethod
    def _numbered(network: str, number: int) -> str:
        return f"10.232.{_NUMBERS[network]}.{number}"

    def command(self, place: str, *words: str) -> list[str]:
        """Return the command that runs a program at a place."""
        return ["ip", "netns", "exec", self.namespace(place), *words]

    def cut(self, place: str, *networks: str) -> None:
        """Have nothing come through between a place and the rest of these networks."""
        for network in networks:
            run("ip", "link", "set", f"{network}-{place}", "nomaster")

    def join(self, place: str, *networks: str) -> None:
        for network in networks:
            run("ip", "link", "set", f"{network}-{place}", "master", network)

    def make(self, own_numbers: tuple[int, ...]) -> None:
        run("ip", "netns", "add", self._middle)
        enter(self._middle)
        run("ip", "link", "set", "lo", "up")
        for network in _NUMBERS:
            run("ip", "link", "add", "name", network, "type", "bridge")
            for number in (MIDDLE, *own_numbers):
                run("ip", "address", "add", f"{self.own_address(network, number)}/24", "dev", network)
            run("ip", "link", "set", network, "up")
        for place in self.places:
            self._make_place(place)

    def _make_place(self, place: str) -> None:
        name = self.namespace(place)
        run("ip", "netns", "add", name)
        run(*self.command(place, "ip", "link", "set", "lo", "up"))
        for network in _NUMBERS:
            end = f"{network}-{place}"
            run("ip", "link", "add", "name", end, "type", "veth", "peer", "name", network, "netns", name)
            run("ip", "link", "set", end, "up", "master", network)
            run(*self.command(place, "ip", "address", "add", f"{self.address(network, place)}/24", "dev", network))
            run(*self.command(place, "ip", "link", "set", network, "up"))

    def remove(self) -> None:
        for name in (self._middle, *map(self.namespace, self.places)):
            subprocess.run(["ip", "netns", "delete", name], check=False, timeout=20, stderr=subprocess.DEVNULL)


@contextmanager
def divided_network(*places: str, own_numbers: tuple[int, ...] = ()) -> Iterator[DividedNetwork]:
    """Networks in whose middle this thread is meanwhile; all of it is gone afterwards."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    network = DividedNetwork(places)
    try:
        network.make(own_numbers)
        yield network
    finally:
        ctypes.CDLL(None).setns(home, CLONE_NEWNET)
        os.close(home)
        network.remove()

"""What a service manager is told of a service, by systemd's protocol: `sd_notify(3)`, `sd_watchdog_enabled(3)`."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

SOCKET = "NOTIFY_SOCKET"
WATCHDOG = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"


class ServiceManager:
    """Tells the manager that started this process; where none did, nothing is told.

    What it is told by is taken out of the environment: what this process starts has nothing to tell.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop(SOCKET, "")
        self._period = _watchdog_period(os.environ)
        for name in (WATCHDOG, WATCHDOG_PID):
            os.environ.pop(name, None)

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Say that the service is ready, again and again that its loop runs, and at last that it stops."""
        self._tell("READY=1")
        beating = asyncio.create_task(self._beat()) if self._address and self._period else None
        try:
            yield
        finally:
            if beating is not None:
                beating.cancel()
            self._tell("STOPPING=1")

    async def _beat(self) -> None:
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._period)

    def _tell(self, text: str) -> None:
        """Tell it; a manager that cannot be told is none that a service should end for."""
        if not self._address:
            return
        # A name that begins with @ is in Linux's abstract namespace.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(text.encode(), address)


def _watchdog_period(environment: Mapping[str, str]) -> float:
    """Seconds between two signs of life: half of what the manager waits for one; 0 where it waits for none."""
    meant_for = environment.get(WATCHDOG_PID, "")
    if meant_for and meant_for != str(os.getpid()):
        return 0.0
    try:
        return max(0, int(environment.get(WATCHDOG, "0"))) / 2e6
    except ValueError:
        return 0.0

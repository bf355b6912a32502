"""How this machine is: what the standard library knows of it, and what psutil adds where it is installed."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from omnyshell.model.grammars import MAX_FACT
from omnyshell.model.vitals import LOAD_UNIT, MachineVitals
from omnyshell.printable import printable
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.vitals import NodeVitalsRequest, NodeVitalsResponse
from omnyshell.services.node.vitals.apart import apart

Read = Callable[[], MachineVitals]


def read_vitals() -> MachineVitals:
    """Return how this machine is; what cannot be known is missing.

    It blocks where a file system does, and imports what a node needs for nothing else: call it in a thread.
    """
    import platform  # 5 ms, while nobody has looked yet

    vitals = MachineVitals(os=_fact(_system()), kernel=_fact(platform.release()), cpus=os.cpu_count())
    vitals.uptime_seconds = _uptime()
    with suppress(OSError, AttributeError):
        vitals.load1, vitals.load5, vitals.load15 = (round(load * LOAD_UNIT) for load in os.getloadavg())
    with suppress(OSError, RuntimeError):
        disk = shutil.disk_usage(Path.home())
        vitals.disk_total, vitals.disk_used = disk.total, disk.used
    if (psutil := _psutil()) is not None:
        memory = psutil.virtual_memory()
        vitals.memory_total, vitals.memory_used = memory.total, memory.total - memory.available
    return vitals


def _psutil() -> Any:
    """Return psutil; None where it is not installed."""
    with suppress(ImportError):
        return import_module("psutil")
    return None


def _system() -> str:
    import platform

    with suppress(OSError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{platform.system()} {platform.mac_ver()[0]}".strip()


def _uptime() -> int | None:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return int(time.clock_gettime(time.CLOCK_BOOTTIME))
    psutil = _psutil()
    return max(0, int(time.time() - psutil.boot_time())) if psutil is not None else None


def _fact(text: str) -> str:
    return printable(text)[:MAX_FACT]


class VitalsAnswers:
    """Answers a hub's questions about this machine, each from a thread, as a file system may block.

    While one is being answered, others are not: the hub asks again. What cannot be read at all is answered by nothing
    that is known.
    """

    def __init__(self, read: Read = read_vitals) -> None:
        self._read = read
        self._is_reading = False

    def answer(self, ask: NodeVitalsRequest, reply: Callable[[ControlMessage], None]) -> None:
        """Answer a question soon, in the event loop's thread."""
        if self._is_reading:
            return
        self._is_reading = True

        def finish(vitals: MachineVitals) -> None:
            self._is_reading = False
            reply(NodeVitalsResponse(request_id=ask.request_id, vitals=vitals))

        apart(self._read, finish, MachineVitals())

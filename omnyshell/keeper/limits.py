"""What sessions may take of a machine, as the node's file says; decides, and does nothing."""

from collections.abc import Mapping
from typing import NamedTuple

MEMORY, PROCESSES, CPU = "session-memory", "session-processes", "session-cpu"
KILL_LEFT_BEHIND = "kill-left-behind"
"""The keys of a node's file that are read here."""

KEYS = (MEMORY, PROCESSES, CPU, KILL_LEFT_BEHIND)

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
LEAST_MEMORY = 4 << 20
"""Bytes in which a shell can be at all."""

MOST = 1 << 50
LEAST_CPU = 0.01
PERIOD = 100_000
"""Microseconds over which processor time is counted."""


class Limits(NamedTuple):
    """What one session may take; None is as much as there is."""

    memory: int | None = None
    """Bytes."""

    processes: int | None = None
    """Threads count as well, as for the system they are the same."""

    cpu: float | None = None
    """Processors."""

    kills_left_behind: bool = False
    """Whether what a session leaves behind is ended when it ends by itself."""

    def files(self) -> dict[str, str]:
        """Return what is written into which file of a control group, each named after its controller."""
        cpu = None if self.cpu is None else f"{round(self.cpu * PERIOD)} {PERIOD}"
        found = {"memory.max": self.memory, "pids.max": self.processes, "cpu.max": cpu}
        return {name: str(value) for name, value in found.items() if value is not None}

    def controllers(self) -> dict[str, str]:
        """Return the controllers that this takes, each with the key of the file that asks for it."""
        keys = {"memory": MEMORY, "pids": PROCESSES, "cpu": CPU}
        return {controller: key for controller, key in keys.items() if f"{controller}.max" in self.files()}

    def shown(self) -> str:
        """Return them as a line; empty where there are none."""
        memory = "" if self.memory is None else f"{self.memory / UNITS['MiB']:g}MiB"
        found = {MEMORY: memory, PROCESSES: self.processes, CPU: self.cpu, KILL_LEFT_BEHIND: self.kills_left_behind}
        return ", ".join(key if value is True else f"{key} {value}" for key, value in found.items() if value)

    @property
    def any(self) -> bool:
        """Whether there is anything that only control groups can do."""
        return self != _NONE


_NONE = Limits()


def limits_of(said: Mapping[str, object]) -> Limits:
    """Return the limits that a file has. Raises `ValueError`, whose text says what is wrong."""
    kills = said.get(KILL_LEFT_BEHIND, False)
    if not isinstance(kills, bool):
        raise ValueError(f"'{KILL_LEFT_BEHIND}' must be true or false")
    return Limits(memory_of(said.get(MEMORY)), processes_of(said.get(PROCESSES)), cpu_of(said.get(CPU)), kills)


def memory_of(value: object) -> int | None:
    """Return the bytes that a text as `2GiB` means. Raises `ValueError`."""
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else ""
    number, unit = text[:-3].strip(), UNITS.get(text[-3:])
    digits = number.replace(".", "", 1)
    is_number = len(number) <= 16 and digits.isascii() and digits.isdecimal()
    size = int(float(number) * unit) if unit and is_number else 0
    if not LEAST_MEMORY <= size <= MOST:
        raise ValueError(f'\'{MEMORY}\' must be a size of 4MiB or more, as "512MiB" or "2GiB"')
    return size


def processes_of(value: object) -> int | None:
    """Return how many processes there may be. Raises `ValueError`."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1 << 22):
        raise ValueError(f"'{PROCESSES}' must be a number of processes, 1 or more, as 500")
    return value


def cpu_of(value: object) -> float | None:
    """Return how many processors there may be. Raises `ValueError`."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not LEAST_CPU <= value <= 1 << 16:
        raise ValueError(f"'{CPU}' must be a number of processors, {LEAST_CPU} or more, as 1.5")
    return float(value)

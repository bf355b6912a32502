"""In which order tests are collected and run, so that workers share what there is to do, and end together."""

import itertools
import os
from collections.abc import Sequence

import pytest


def begin_elsewhere(config: pytest.Config) -> None:
    """Have each worker collect another part of all tests first.

    What is compiled is kept, which is most of the time in a fresh checkout: where all begin alike, each compiles
    everything, and where they do not, each finds the most of it compiled.
    """
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or "PYTEST_XDIST_WORKER" not in os.environ:
        return
    rooms = [
        str(room)
        for floor in ("integration", "unit", "e2e")
        for room in sorted((config.rootpath / "tests" / floor).iterdir())
        if room.name.startswith("test_") or (room.is_dir() and room.name != "__pycache__")
    ]
    worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    first = len(rooms) * worker // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    config.args[:] = rooms[first:] + rooms[:first]


def in_shares(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Have each worker begin with its share of what starts hubs, consoles and programs, and go on with unit tests.

    Workers get equal parts of the list, and who is done takes over the end of another's: what is left at the end is
    short then, and nobody waits for one long test. Tests of a module stay together, as they share what it has started.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    # Wherever each has begun to collect, all have the same list.
    sorted_items = sorted(items, key=lambda item: item.path)
    modules = [list(tests) for _, tests in itertools.groupby(sorted_items, key=lambda item: item.path)]
    short = [item for tests in modules for item in tests if "unit" in item.path.parts]
    long = [tests for tests in modules if "unit" not in tests[0].path.parts]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        share = [item for tests in long[worker::workers] for item in tests]
        room = len(items) * (worker + 1) // workers - len(ordered) - len(share)
        ordered += share + short[: max(0, room)]
        del short[: max(0, room)]
    return ordered + short

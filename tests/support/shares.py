"""In which order tests run, so that workers end together."""

import itertools
import os
from collections.abc import Sequence

import pytest


def in_shares(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Have each worker begin with its share of what starts hubs, consoles and programs, and go on with unit tests.

    Workers get equal parts of the list, and who is done takes over the end of another's: what is left at the end is
    short then, and nobody waits for one long test. Tests of a module stay together, as they share what it has started.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    modules = [list(tests) for _, tests in itertools.groupby(items, key=lambda item: item.path)]
    short = [item for tests in modules for item in tests if "unit" in item.path.parts]
    long = [tests for tests in modules if "unit" not in tests[0].path.parts]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        share = [item for tests in long[worker::workers] for item in tests]
        room = len(items) * (worker + 1) // workers - len(ordered) - len(share)
        ordered += share + short[: max(0, room)]
        del short[: max(0, room)]
    return ordered + short

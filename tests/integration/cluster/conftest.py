"""One server of the engine for each test that wants one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engine import Engine, running_engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path / "engine") as started:
        yield started

"""A hub without sockets, for playbooks of its rooms."""

from collections.abc import Iterator

import pytest
from support.memory_hub import MemoryHub, memory_hub
from support.stack import Certificates


@pytest.fixture
def hub(certificates: Certificates) -> Iterator[MemoryHub]:
    """A hub that three principals know, with nobody connected."""
    with memory_hub(certificates) as made:
        yield made

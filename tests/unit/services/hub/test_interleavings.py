"""Opens, closes, detaches, kills and drops in any order; `soak.interleavings` runs many more."""

import pytest
from support.interleavings import run_seed


@pytest.mark.parametrize("first", range(0, 60, 10))
async def test_whatever_happens_in_whatever_order_the_hub_keeps_its_books(first: int) -> None:
    for seed in range(first, first + 10):
        run_seed(seed)

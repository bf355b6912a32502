"""Opens, closes, detaches, kills and drops in any order; `soak.interleavings` runs many more."""

import pytest
from support.interleavings import run_seed
from support.two_plain_hubs import TwoHubs


@pytest.mark.parametrize("first", range(0, 40, 10))
async def test_whatever_happens_in_whatever_order_the_hub_keeps_its_books(first: int) -> None:
    for seed in range(first, first + 10):
        run_seed(seed)


async def test_two_hubs_with_a_link_keep_their_books_whatever_happens_in_whatever_order() -> None:
    for seed in range(12):
        run_seed(seed, 400, TwoHubs)

"""Attacks at random, each against a property that is said apart from the code: `python -m soak.attacks.NAME`."""

import argparse
import random
from collections.abc import Iterable


def how_many(count: int) -> argparse.Namespace:
    """Read `--count` and `--seed` from the command line; the seed is another one each time if not given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    return parser.parse_args()


def show(problems: Iterable[str], seed: int) -> None:
    """Print the first few of what was not as it should be, with the seed that does it again."""
    for problem in list(problems)[:5]:
        print(f"seed {seed}: {problem}")

"""What became of one case of a suite."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """A case by its name in the suite, and what is wrong with what we show; "" where nothing is."""

    case: str
    problem: str = ""

"""2,000 random interleavings each of one hub, and of two with a link, under a clock that stands still."""

import argparse
import asyncio
from collections import Counter

from support.interleavings import STEPS, World, run_seed
from support.two_plain_hubs import TwoHubs

from soak.report import Figure, report

COUNTED = ("sessions_opened", "sessions_rejected", "tunnels_opened", "heartbeat_timeouts", "credit_violations")


STEPS_OF_TWO = 2 * STEPS
"""Half of what happens is that the link delivers."""


async def run(seeds: range, steps: int = STEPS, kind: type[World] = World) -> tuple[list[str], Counter[str]]:
    problems: list[str] = []
    totals: Counter[str] = Counter()
    for seed in seeds:
        try:
            metrics = run_seed(seed, steps, kind)
        except AssertionError as exc:
            problems.append(str(exc))
        else:
            totals.update({name: getattr(metrics, name) for name in COUNTED})
    return problems, totals


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    one, two = asyncio.run(run(seeds)), asyncio.run(run(seeds, STEPS_OF_TWO, TwoHubs))
    for problem in [*one[0][:3], *two[0][:3]]:
        print(problem)
    report(
        "interleavings",
        Figure(
            f"random interleavings of {STEPS} steps, fake clock",
            "2,000 seeds: each route has two live ends, each port one owner, counters equal a recount",
            _told(*one, len(seeds)),
            not one[0],
        ),
        Figure(
            f"clients at one hub, nodes at another, a link that takes its time and is lost: {STEPS_OF_TWO} steps",
            "2,000 seeds: the same at both hubs, and no session is open at one of them alone",
            _told(*two, len(seeds)),
            not two[0],
        ),
    )


def _told(problems: list[str], totals: Counter[str], seeds: int) -> str:
    what = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in totals.items())
    return f"{seeds} seeds, {len(problems)} broken; {what}"


if __name__ == "__main__":
    main()

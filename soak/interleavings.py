"""2,000 random interleavings of 200 steps each, under a clock that stands still: the hub keeps its books."""

import argparse
import asyncio
from collections import Counter

from support.interleavings import STEPS, run_seed

from soak.report import Figure, report

COUNTED = ("sessions_opened", "sessions_rejected", "tunnels_opened", "heartbeat_timeouts", "credit_violations")


async def run(seeds: range) -> tuple[list[str], Counter[str]]:
    problems: list[str] = []
    totals: Counter[str] = Counter()
    for seed in seeds:
        try:
            metrics = run_seed(seed)
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
    problems, totals = asyncio.run(run(range(options.first, options.first + options.seeds)))
    for problem in problems[:3]:
        print(problem)
    what = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in totals.items())
    report(
        "interleavings",
        Figure(
            f"random interleavings of {STEPS} steps, fake clock",
            "2,000 seeds: each route has two live ends, each port one owner, counters equal a recount",
            f"{options.seeds} seeds, {len(problems)} broken; {what}",
            not problems,
        ),
    )


if __name__ == "__main__":
    main()

"""2,000 random interleavings of registrations, ends of leases, stops, partitions and lost writes, over three hubs."""

import argparse
from collections import Counter

from support.places_world import STEPS, World

from soak.report import Figure, report


def run(seeds: range) -> tuple[list[str], Counter[str]]:
    """Return the rules that were broken, and what has happened."""
    problems: list[str] = []
    totals: Counter[str] = Counter()
    for seed in seeds:
        world = World(seed)
        try:
            world.run()
        except AssertionError as exc:
            problems.append(str(exc))
        totals.update(world.counts)
    return problems, totals


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    problems, totals = run(range(options.first, options.first + options.seeds))
    for problem in problems[:3]:
        print(problem)
    report(
        "places",
        Figure(
            f"who has which node among three hubs: random interleavings of {STEPS} steps, fake clocks",
            "2,000 seeds: no process is served by two hubs, no id by two processes, all agree in the end",
            f"{options.seeds} seeds, {len(problems)} broken; {', '.join(f'{n} {what}' for what, n in totals.items())}",
            not problems,
        ),
    )


if __name__ == "__main__":
    main()

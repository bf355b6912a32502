"""100 random hubs, whose grants, labels and options change under what is open: a model knows who may do what."""

import asyncio
import logging
from collections import Counter

from support.rights_model import ROUNDS, attack_one

from soak.attacks import how_many
from soak.machines import workplace
from soak.report import Figure, report


async def run(count: int, seed: int) -> tuple[list[str], Counter[str]]:
    problems: list[str] = []
    outcomes = Counter[str]()
    with workplace() as (_, certificates):
        for number in range(count):
            attack = await attack_one(certificates, seed + number)
            problems += [f"seed {seed + number}: {problem}" for problem in attack.problems]
            outcomes += attack.outcomes
    return problems, outcomes


def main() -> None:
    options = how_many(100)
    logging.disable(logging.WARNING)
    problems, outcomes = asyncio.run(run(options.count, options.seed))
    # Each hub has a seed of its own, which is told with its problem.
    for problem in problems[:5]:
        print(problem)
    report(
        "attacks.rights",
        Figure(
            "random grants, labels and options that change under requests and what is open",
            "what is done, told and goes on is what a model says that is apart from the code",
            f"{options.count} hubs, {ROUNDS} settings each; {outcomes['allowed']} requests allowed, "
            f"{outcomes['refused']} refused, "
            f"{outcomes['listed']} lists; {len(problems)} other than the model says",
            not problems and min(outcomes.values()) > options.count,
        ),
    )


if __name__ == "__main__":
    main()

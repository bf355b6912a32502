"""A suite's outcomes beside the declared differences."""

from collections.abc import Iterable, Set as AbstractSet
from typing import NamedTuple

from conformance.outcomes import Outcome


class Verdict(NamedTuple):
    """What a run of one suite came to."""

    passed: int
    declared: int
    """Cases that differ, as is declared."""

    failed: list[Outcome]
    """Cases that differ without a reason."""

    mended: list[str]
    """Cases that are declared to differ, and do not."""

    absent: list[str]
    """Cases that are declared, and not in this version of the suite."""

    @property
    def is_good(self) -> bool:
        """Whether all is as declared."""
        return not self.failed and not self.mended


def judge(outcomes: Iterable[Outcome], declared: AbstractSet[str]) -> Verdict:
    """Hold outcomes against what is declared to differ. A case with several outcomes passes if all of them do."""
    problems: dict[str, str] = {}
    for case, problem in outcomes:
        problems[case] = problems.get(case) or problem
    wrong = {case: problem for case, problem in problems.items() if problem}
    return Verdict(
        passed=len(problems) - len(wrong),
        declared=len(wrong.keys() & declared),
        failed=[Outcome(*one) for one in wrong.items() if one[0] not in declared],
        mended=sorted(case for case in declared & problems.keys() if case not in wrong),
        absent=sorted(declared - problems.keys()),
    )

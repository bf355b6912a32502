"""`python -m conformance FOLDER [SUITE...]`: runs the suites that are in a folder, and names those that are not."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from conformance import alacritty, comparison, esctest, libvterm, xterm_js
from conformance.exceptions import declared_for
from conformance.outcomes import Outcome
from conformance.verdicts import Verdict, judge


class Suite(NamedTuple):
    """Where a suite lies in the folder, how it is fetched there, and what runs it."""

    name: str
    place: str
    fetched_by: str
    run: Callable[[Path], Iterator[Outcome]]


SUITES = (
    Suite("esctest2", f"esctest2/{esctest.PLACE}", "git clone https://github.com/ThomasDickey/esctest2", esctest.run),
    Suite("xterm.js", f"xterm.js/{xterm_js.PLACE}", "git clone https://github.com/xtermjs/xterm.js", xterm_js.run),
    Suite(
        "alacritty", f"alacritty/{alacritty.PLACE}", "git clone https://github.com/alacritty/alacritty", alacritty.run
    ),
    Suite("libvterm", f"libvterm/{libvterm.PLACE}", "git clone https://github.com/neovim/libvterm", libvterm.run),
    Suite("comparison", comparison.PLACE, f"npm install --prefix . {comparison.PACKAGES}", comparison.run),
)


def main(arguments: list[str]) -> int:
    """Run the named suites, or all; return 1 where one is not as declared, 2 where there is none."""
    if not arguments:
        print("Which folder? `make conformance SUITES=FOLDER` runs the suites in it.", file=sys.stderr)
        return 2
    folder, names = Path(arguments[0]).resolve(), arguments[1:]
    wanted = [suite for suite in SUITES if not names or suite.name in names]
    there = [suite for suite in wanted if (folder / suite.place).exists()]
    for suite in wanted:
        if suite not in there:
            print(f"{suite.name}: not in {folder}; there, `{suite.fetched_by}` fetches it")
    good = [
        _told(suite.name, judge(suite.run(folder / suite.place.partition("/")[0]), declared_for(suite.name)))
        for suite in there
    ]
    return (0 if all(good) else 1) if good else 2


def _told(name: str, verdict: Verdict) -> bool:
    count = verdict.passed + verdict.declared + len(verdict.failed)
    differ = f"{verdict.declared} differ as declared"
    print(f"{name}: {count} cases, {verdict.passed} pass, {differ}, {len(verdict.failed)} fail")
    for case, problem in verdict.failed:
        print(f"  {case}: {problem}")
    for case in verdict.mended:
        print(f"  {case}: is declared to differ, and passes")
    if verdict.absent:
        print(f"  not in this version: {' '.join(verdict.absent)}")
    return verdict.is_good


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

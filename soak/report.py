"""Where figures go: to the terminal, and to the table of `docs/reliability.md`."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
HEADER = "| test | goal | measured | met | date |\n| --- | --- | --- | --- | --- |\n"


@dataclass(frozen=True)
class Figure:
    """One row of the table; `test` names it."""

    test: str
    goal: str
    measured: str
    met: bool


def report(module: str, *figures: Figure) -> None:
    """Print figures, put them in the page's table in place of earlier ones, and exit 1 where a goal is missed."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    rows = {}
    for figure in figures:
        met = "yes" if figure.met else "no"
        print(f"{figure.test}: {figure.measured} (goal: {figure.goal}; met: {met})", flush=True)
        rows[figure.test] = f"| {figure.test} (`soak.{module}`) | {figure.goal} | {figure.measured} | {met} | {today} |"
    if PAGE.exists():
        _enter(rows)
    if not all(figure.met for figure in figures):
        sys.exit(1)


def _enter(rows: dict[str, str]) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    kept = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith(("| test", "| ---"))]
    known = {line.split(" (`soak.")[0][2:]: line for line in kept}
    known |= rows
    lines = "\n".join(known[name] for name in sorted(known, key=lambda name: (known[name].split("`soak.")[1], name)))
    PAGE.write_text(f"{before}{BEGIN}\n{HEADER}{lines}\n{END}{after}")

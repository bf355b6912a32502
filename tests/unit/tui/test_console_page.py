"""`docs/console.md` says what the program does."""

import os
import re
from pathlib import Path

from support.panels import PANELS, filter_table, panel_table

from omnyshell.tui.commands import as_markdown as commands_as_markdown
from omnyshell.tui.keys import as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "console.md"
TABLES = {
    "commands": commands_as_markdown(),
    "filters": filter_table(),
    "keys": f"{as_markdown().rstrip()}\n",
    **{f"panel: {name}": panel_table(name) for name in PANELS},
}


def test_keys_filters_and_panels_are_those_of_the_declarations() -> None:
    text = wanted = PAGE.read_text(encoding="utf-8")
    for mark, table in TABLES.items():
        start, end = f"<!-- {mark} -->\n\n", "\n<!-- end -->"
        assert start in text
        before, _, rest = wanted.partition(start)
        wanted = f"{before}{start}{table}{end}{rest.partition(end)[2]}"
    if "OMNYSHELL_UPDATE_DOCS" in os.environ:
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted, "`make docs-tables` writes it anew"


def test_every_picture_exists() -> None:
    names = re.findall(r"\]\((\.\./snapshots/[^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert names
    assert all((PAGE.parent / name).is_file() for name in names)

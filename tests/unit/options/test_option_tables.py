"""The tables of options in the documents are those of the declarations."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace
from support.in_one_test import in_one_test

from omnyshell.options.markdown import option_table
from omnyshell.options.option import Option
from omnyshell.services.hub.options import OPTIONS as HUB_OPTIONS
from omnyshell.services.local.console_options import OPTIONS as CONSOLE_OPTIONS
from omnyshell.services.node.options import OPTIONS as NODE_OPTIONS
from omnyshell.tui.settings import OWN, SETTINGS

DOCS = Path(__file__).parents[3] / "docs"

TABLES = {
    ("configuration.md", "hub"): HUB_OPTIONS,
    ("configuration.md", "node"): [replace(option, restart=False) for option in NODE_OPTIONS],
    ("console.md", "console"): CONSOLE_OPTIONS,
    ("console.md", "settings"): (*SETTINGS, *OWN),
}


@in_one_test(("page", "name"), TABLES)
def test_a_table_of_options_is_that_of_the_declarations(page: str, name: str) -> None:
    table, path = option_table(TABLES[page, name]), DOCS / page
    text = path.read_text(encoding="utf-8")
    wanted = re.sub(rf"(<!-- options: {name} -->\n\n)[^<]*(\n<!-- end -->)", lambda m: m[1] + table + m[2], text)
    assert f"<!-- options: {name} -->" in text
    if "OMNYSHELL_UPDATE_DOCS" in os.environ:
        path.write_text(wanted, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == wanted, "`make docs-tables` writes it anew"


@in_one_test("options", [HUB_OPTIONS, NODE_OPTIONS, CONSOLE_OPTIONS, SETTINGS])
def test_no_two_options_have_a_name_or_set_the_same(options: Iterable[Option]) -> None:
    names = [option.key for option in options]
    sets = [option.sets for option in options if option.sets]
    assert len(names) == len(set(names))
    assert len(sets) == len(set(sets))

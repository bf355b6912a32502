"""`docs/console.md` says what the program does."""

import re
from pathlib import Path

from omnyshell.tui.keys import as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "console.md"


def test_the_keys_are_those_of_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.partition("## Keys\n\n")[2] == as_markdown().rstrip() + "\n", "write it anew from `keys.as_markdown()`"


def test_every_picture_exists() -> None:
    names = re.findall(r"\]\((\.\./snapshots/[^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert names
    assert all((PAGE.parent / name).is_file() for name in names)

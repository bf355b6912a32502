"""`docs/console.md` says what the program does."""

import re
from dataclasses import fields
from pathlib import Path

from omnyshell.tui.keys import as_markdown
from omnyshell.tui.settings import ConsoleSettings

PAGE = Path(__file__).parents[3] / "docs" / "console.md"


def test_the_keys_are_those_of_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.partition("## Keys\n\n")[2] == as_markdown().rstrip() + "\n", "write it anew from `keys.as_markdown()`"


def test_every_setting_is_there_with_its_default() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for field in fields(ConsoleSettings):
        assert re.search(rf"\| `{field.name}` \| `?{re.escape(str(field.default))}`? \|", text), field.name


def test_every_picture_exists() -> None:
    names = re.findall(r"\]\((\.\./snapshots/[^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert names
    assert all((PAGE.parent / name).is_file() for name in names)

"""Titles in frames are shown as they are: Textual reads a mere string as markup, with links that run actions."""

import ast
from pathlib import Path

import pytest
from textual.app import App
from textual.widgets import Log

import omnyshell.tui
from omnyshell.tui.files.viewing import FileView

TITLES = {"border_title", "border_subtitle"}
EVIL = ["[/]", "[@click=app.quit]x[/]", "a[b", "[bold"]


def test_a_title_is_text_that_is_written_here_or_content() -> None:
    found = 0
    for path in Path(omnyshell.tui.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr in TITLES:
                    found += 1
                    is_content = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Content"
                    assert is_content or isinstance(node.value, ast.Constant), f"{path}:{node.lineno}"
    assert found > 10


@pytest.mark.parametrize("name", EVIL)
async def test_a_name_of_a_file_is_no_markup(name: str) -> None:
    async with App[None]().run_test():
        (log,) = FileView(name, b"", 0).compose()
        assert isinstance(log, Log)
        assert log._border_title.plain == name  # type: ignore[attr-defined]

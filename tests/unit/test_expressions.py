"""What regular expressions of the package may have, as each Python that it runs on has to read them alike."""

import ast
import re

from support.sources import parsed, walk

GIVES_NOTHING_BACK = r"(?<!\()\)(?:[*+?]|\{[0-9,]+\})\+|\(\?>"


def test_groups_that_give_nothing_back_are_left_to_who_knows_where_they_are_right() -> None:
    """Before 3.11.5 such a group swallows what it took before it failed: Debian 12's Python lost escapes by that."""
    knows = "terminal/text/possessive.py"
    found = [
        f"{place}:{node.lineno}"
        for place, tree in parsed(GIVES_NOTHING_BACK)
        if place != knows
        for node in walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if re.search(GIVES_NOTHING_BACK.encode() if isinstance(node.value, bytes) else GIVES_NOTHING_BACK, node.value)
    ]
    assert found == []

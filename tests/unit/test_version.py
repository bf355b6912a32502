"""The version is that of the newest changes."""

import re
from pathlib import Path

from omnyshell import __version__

CHANGES = Path(__file__).parents[2] / "CHANGELOG.md"


def test_the_version_is_the_one_whose_changes_come_first() -> None:
    heading = re.search(r"^## (\S+)(.*)$", CHANGES.read_text(encoding="utf-8"), re.MULTILINE)
    assert heading is not None
    release, is_on_its_way = heading.group(1), heading.group(2) == " (not yet released)"
    assert __version__ == (f"{release}.dev0" if is_on_its_way else release)

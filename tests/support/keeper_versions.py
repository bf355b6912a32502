"""Other versions of the keeper: one that knows less than this one, and one that knows more."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from omnyshell.services.node.keeper.place import PROGRAM

Edit = tuple[str, str, str]
"""A file, what is in it, and what takes its place."""

OLDER: Sequence[Edit] = (
    # It neither passes on nor reads what came last. All that know what a manager keeps know all of that.
    ("upgrade.py", "        records.append([_MARK", "        _ = ([_MARK"),
    ("upgrade.py", "        records += ([_USER", "        () and ([_USER"),
    ("wire.py", "VERSION = 3\n", "VERSION = 1\n"),
    ("keeper.py", "if connection.version >= wire.WITH_USERS else ()", "if connection is None else ()"),
    ("wire.py", "    STATUS: (),\n", "    STATUS: (),\n}\nREQUESTS_OF_OLD = {\n"),
)

NEWER: Sequence[Edit] = (
    ("wire.py", "VERSION = 3\n", "VERSION = 4\n"),
    ("wire.py", "    STATUS: (),\n", "    STATUS: (),\n    b'greet': (_NAME,),\n"),
    ("keeper.py", "    def _status(", "    def _greet(self, *_):\n        return (b'hello',)\n\n    def _status("),
    ("keeper.py", "_OF_SESSIONS = (", "_OF_SESSIONS = (b'greet', "),
    ("keeper.py", "*self.groups.facts()\n", "*self.groups.facts(), b'more'\n"),
    # It has more to say of itself, and of what no other version knows.
    ("upgrade.py", "        records = [[_KEEPER, keeper.boot, *_numbers(*keeper.own_descriptors)]]\n",
     "        records = [[_KEEPER, keeper.boot, *_numbers(*keeper.own_descriptors), b'more'], [b'fair', b'']]\n"),
    ("net.py", "*numbers, held.user, held.uid]", "*numbers, held.user, held.uid, b'more']"),
)  # fmt: skip


def install(place: Path, edits: Sequence[Edit], mark: str = "") -> None:
    """Put a version of the keeper into a directory, in place of what is there, as installers do: file by file."""
    place.mkdir(exist_ok=True)
    for path in place.glob("*.py"):
        path.unlink()
    for source in sorted(PROGRAM.glob("*.py")):
        text = source.read_text()
        for name, before, after in edits:
            if name == source.name:
                assert before in text, (name, before)
                text = text.replace(before, after)
        (place / source.name).write_text(text + f"# {mark}\n")
    shutil.rmtree(place / "__pycache__", ignore_errors=True)

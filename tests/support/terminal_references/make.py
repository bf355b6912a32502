"""Writes down what xterm.js and tmux show after each recording, so that tests need neither.

    python -m support.terminal_references.make RECORDINGS TARGET [NAME...]

Needs tmux (made with 3.3a) and node with the packages @xterm/headless (6.0.0) and @xterm/addon-unicode11 on NODE_PATH.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from support.terminal_references.cells import Cell, Screen, pack
from support.terminal_references.tmux_cells import show


def xterm(file: Path, columns: int, lines: int) -> Screen:
    command = ["node", str(Path(__file__).with_name("xterm_cells.js")), str(file), str(columns), str(lines)]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return Screen(tuple(shown["cursor"]), [[Cell(*cell) for cell in row] for row in shown["rows"]])


def main() -> None:
    recordings, target, *names = sys.argv[1:]
    for file in sorted(Path(recordings).glob("*.bin")):
        found = re.fullmatch(r"(.+)\.(\d+)x(\d+)\.bin", file.name)
        if found is None or (names and found[1] not in names):
            continue
        columns, lines = int(found[2]), int(found[3])
        shown = {"columns": columns, "lines": lines}
        shown["xterm"] = pack(xterm(file, columns, lines))
        shown["tmux"] = pack(show(file.resolve(), columns, lines))
        text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        Path(target, f"{file.stem}.json").write_text(text.replace("]],[", "]],\n[") + "\n")
        print(file.stem)


if __name__ == "__main__":
    main()

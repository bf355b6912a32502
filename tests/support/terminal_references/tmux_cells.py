"""What tmux shows after a file was written to it, from `capture-pane`."""

import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from support.terminal_references.cells import Cell, Screen, width

_TOKEN = re.compile("\x1b\\[([0-9;:]*)m|([\x0e\x0f])|(.)", re.DOTALL)
_ACS = dict(zip("`afgjklmnopqrstuvwxyz{|}~", "◆▒°±┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))
_FLAGS = {1: 1, 2: 2, 3: 4, 5: 8, 7: 16, 8: 32, 9: 64, 53: 128}


class _Pen:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.fg = self.bg = -1
        self.flags = self.underline = 0

    def apply(self, params: str) -> None:
        fields = [int(field or 0) for field in params.replace(":", ";").split(";")]
        if ":" in params and fields[0] == 4:
            self.underline = 1
            return
        while fields:
            code = fields.pop(0)
            if code == 0:
                self.reset()
            elif code in (38, 48, 58):
                kind = fields.pop(0)
                colour = 256 + fields.pop(0) if kind == 5 else _rgb([fields.pop(0) for _ in range(3)])
                self._colour(code, colour)
            elif code == 4:
                self.underline = 1
            elif code in _FLAGS:
                self.flags |= _FLAGS[code]
            else:
                self._plain_colour(code)

    def _colour(self, code: int, colour: int) -> None:
        if code == 38:
            self.fg = colour
        elif code == 48:
            self.bg = colour

    def _plain_colour(self, code: int) -> None:
        if 30 <= code <= 37 or code == 39:
            self.fg = code - 30 if code < 39 else -1
        elif 40 <= code <= 47 or code == 49:
            self.bg = code - 40 if code < 49 else -1
        elif 90 <= code <= 97:
            self.fg = code - 82
        elif 100 <= code <= 107:
            self.bg = code - 92


def _rgb(parts: list[int]) -> int:
    return 0x1000000 + (parts[0] << 16 | parts[1] << 8 | parts[2])


def _cells(captured: str, columns: int, lines: int) -> list[list[Cell]]:
    rows = []
    pen, graphics = _Pen(), False
    for line in captured.split("\n")[:lines]:
        row: list[Cell] = []
        for sgr, shift, character in _TOKEN.findall(line):
            if shift:
                graphics = shift == "\x0e"
            elif not character:
                pen.apply(sgr)
            else:
                _add(row, _ACS.get(character, character) if graphics else character, pen)
        row += [Cell(" ", -1, -1, 0, 0)] * (columns - len(row))
        rows.append(row)
    return rows


def _add(row: list[Cell], character: str, pen: _Pen) -> None:
    columns = width(character)
    joined = bool(row) and row[-1 if row[-1].text else -2].text.endswith("\u200d") and not character.isascii()
    if row and (columns == 0 or joined):
        at = -1 if row[-1].text else -2
        row[at] = row[at]._replace(text=row[at].text + character)
        return
    row.append(Cell(character, pen.fg, pen.bg, pen.flags, pen.underline))
    if columns == 2:
        row.append(row[-1]._replace(text=""))


def show(file: Path, columns: int, lines: int) -> Screen:
    with tempfile.TemporaryDirectory() as folder:
        done = Path(folder) / "done"
        config = Path(folder) / "tmux.conf"
        config.write_text("set -g status off\nset -g history-limit 0\n")
        tmux: list[Any] = ["tmux", "-S", f"{folder}/socket", "-f", str(config)]
        script = f"stty raw -echo; cat {file}; touch {done}; exec sleep 60"
        subprocess.run([*tmux, "new-session", "-d", "-x", str(columns), "-y", str(lines), script], check=True)
        try:
            while not done.exists():
                time.sleep(0.05)
            time.sleep(0.3)
            captured = _output([*tmux, "capture-pane", "-e", "-p", "-N"])
            cursor = _output([*tmux, "display-message", "-p", "#{cursor_x},#{cursor_y}"]).strip().split(",")
        finally:
            subprocess.run([*tmux, "kill-server"], check=True)
    return Screen((int(cursor[0]), int(cursor[1])), _cells(captured, columns, lines))


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True).stdout.decode()

"""A Textual program with a table, a log, a field and a clock, which says in a file how large its terminal is."""

import os
from pathlib import Path

from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widgets import DataTable, Footer, Header, Input, RichLog


class Panel(App[None]):
    """Shows its size in its title too, so that one sees which it was told."""

    def compose(self) -> ComposeResult:
        yield Header(show_clock=True)
        with Horizontal():
            yield DataTable[str]()
            yield RichLog()
        yield Input(placeholder="type \N{GRINNING FACE} here")
        yield Footer()

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_columns("name", "漢字", "value")
        for number in range(100):
            table.add_row(f"row {number}", "é" * (number % 9), str(number * number))
        self.set_interval(0.2, self._tell_size)

    def _tell_size(self) -> None:
        title = f"{self.size.width} by {self.size.height}"
        if title != self.title:
            self.title = title
            self.query_one(RichLog).write(title)
            Path(f"{os.environ['TWINS_PLACE']}.size").write_text(title)


if __name__ == "__main__":
    Panel().run()

"""The beginning of a file, to be read."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from omnyshell.printable import printable
from omnyshell.services.client.files.ports import Entry, Folder
from omnyshell.tui.formats import size
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.widgets.framed_log import FramedLog

SHOWN_BYTES = 255 * 1024
LONGEST_LINE = 4_096
_BYTES_A_ROW = 16


async def beginning(folder: Folder, entry: Entry) -> bytes:
    """Return what is shown of a file. Raises `FileException`."""
    source = await folder.source(entry)
    try:
        async for _, data in source.blocks(0):
            return bytes(data[:SHOWN_BYTES])
    finally:
        await source.close()
    return b""


def lines_of(data: bytes) -> list[str]:
    """Return a file's beginning as printable lines; what is no text as bytes."""
    if b"\0" in data:
        return [_row(data, at) for at in range(0, len(data), _BYTES_A_ROW)]
    lines = data.decode("utf-8", "replace").split("\n")
    return [printable(line.rstrip("\r").expandtabs(), LONGEST_LINE) for line in lines]


def _row(data: bytes, at: int) -> str:
    part = data[at : at + _BYTES_A_ROW]
    text = "".join(chr(each) if 32 <= each < 127 else "." for each in part)
    return f"{at:08x}  {part.hex(' '):<{3 * _BYTES_A_ROW}} {text}"


class FileView(ModalScreen[None]):
    """Shows the beginning of a file."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.VIEWER)
    DEFAULT_CSS = """
    FileView {
        align: center middle;
        background: $veil;
        FramedLog { width: 96%; height: 90%; }
    }
    """

    def __init__(self, title: str, data: bytes, of: int) -> None:
        """`of` is the size of the file, in bytes."""
        super().__init__()
        self._title = title
        self._data = data
        self._of = of

    def compose(self) -> ComposeResult:
        """The lines."""
        rest = f"the first {size(len(self._data))} of {size(self._of)}; " if len(self._data) < self._of else ""
        yield FramedLog(self._title, f"{rest}esc closes", auto_scroll=False)

    def on_mount(self) -> None:
        """Show it from its beginning."""
        log = self.query_one(FramedLog)
        log.write_lines(lines_of(self._data))
        log.focus()

    def action_close(self) -> None:
        """Leave."""
        self.dismiss(None)

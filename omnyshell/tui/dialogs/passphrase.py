"""Asking for the passphrase of a key."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import ClassVar

from textual.widget import Widget
from textual.widgets import Static

from omnyshell.errors import ConfigException, ErrorCodes
from omnyshell.printable import printable
from omnyshell.security.key_files import PassphraseException
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog
from omnyshell.tui.dialogs.reading import Reading
from omnyshell.tui.widgets.field import Field


class PassphraseDialog(Dialog[str]):
    """Closes once `use` accepts the passphrase; for a wrong one it raises, which is shown beside the field."""

    TITLE = "This key needs its passphrase"
    ACTION = "Open"
    WAITING = "Opening the key…"
    FIELDS_OF: ClassVar = {ErrorCodes.BAD_REQUEST: "passphrase"}

    def __init__(self, path: Path, use: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(self._try)
        self._path, self._use = path, use

    async def _try(self, passphrase: str) -> None:
        try:
            await self._use(passphrase)
        except PassphraseException as exc:
            # The text above the field names the key.
            raise ConfigException("That is not its passphrase.") from exc

    def form(self) -> Iterable[Widget]:
        """The key's name, and a password field."""
        yield Static(printable(str(self._path)), classes="text", markup=False)
        yield row("Passphrase", Field(id="passphrase", password=True, compact=True))

    def on_mount(self) -> None:
        """Begin with the only field."""
        self.query_one("#passphrase").focus()

    def read(self, reading: Reading) -> str:  # noqa: ARG002 - spaces around it count
        """What was typed."""
        return self.query_one("#passphrase", Field).value

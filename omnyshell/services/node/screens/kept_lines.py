"""The lines that left a shell's screen, in its record, so that the node's next process has them."""

from collections.abc import Generator

from omnyshell.services.node.records.past import Past, Place
from omnyshell.services.node.records.record import ScreenCheckpoint, SessionRecord
from omnyshell.terminal.history.history import History
from omnyshell.terminal.history.pages import FORMAT, Page


class KeptLines:
    """Writes pages of a history that are not written yet; those that changed at its end are written anew."""

    def __init__(self, past: Past, history: History) -> None:
        self._past = past
        self._history = history
        self._places: dict[Page, Place] = {}

    def note(self, checkpoint: ScreenCheckpoint) -> Generator[None, None, None]:
        """Note in a checkpoint where the lines are, a page a step; the history must not change meanwhile."""
        pages, checkpoint.pages_end = self._history.written()
        places: dict[Page, Place] = {}
        for page in pages:
            place = self._places.get(page)
            if place is None:
                place = self._past.write(page.to_bytes())
                yield
            if place is None:
                # What is older could not be told from what is newer.
                places.clear()
            else:
                places[page] = place
        self._places = {page: place for page, place in places.items() if place.position >= self._past.oldest}
        checkpoint.pages, checkpoint.pages_format = list(self._places.values()), FORMAT

    def noted(self) -> None:
        """The checkpoint is the one that counts: what it does not name may go."""
        self._past.release(next((place.position for place in self._places.values()), None))


def take_lines(record: SessionRecord, checkpoint: ScreenCheckpoint | None, history: History) -> None:
    """Have a new history begin with the lines of a checkpoint, as far back as they can be read."""
    if checkpoint is None or checkpoint.pages_format != FORMAT:
        return
    pages: list[Page] = []
    for place in reversed(checkpoint.pages):
        data = record.past.read(place)
        try:
            page = Page.from_bytes(data) if data is not None else None
        except ValueError:
            page = None
        if page is None:
            break
        pages.append(page)
    history.begin_with(pages[::-1], checkpoint.pages_end)

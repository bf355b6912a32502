"""Lines of forms, edited by the keys of readline."""

import pytest
from textual import events
from textual.app import App, ComposeResult

from omnyshell.tui.driver import alt_key
from omnyshell.tui.widgets.field import Field


class _Form(App[None]):
    def compose(self) -> ComposeResult:
        """One line."""
        yield Field("one two three")


@pytest.mark.parametrize(
    ("keys", "value", "cursor"),
    [
        ("bb", "one two three", 4),
        ("bbf", "one two three", 8),
        ("bbd", "one three", 4),
        ("b\x7f", "one three", 4),
        ("x1.", "one two three", 13),
    ],
)
async def test_alt_moves_and_deletes_by_words_and_types_nothing(keys: str, value: str, cursor: int) -> None:
    async with _Form().run_test() as pilot:
        for key in keys:
            pilot.app.post_message(alt_key(key))
        await pilot.pause()
        field = pilot.app.query_one(Field)
        assert (field.value, field.cursor_position) == (value, cursor)
        pilot.app.post_message(events.Key("exclamation_mark", "!"))
        await pilot.pause()
        assert "!" in field.value

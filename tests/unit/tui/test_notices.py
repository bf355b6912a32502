"""What the console tells beside."""

import pytest
from support.stack import until
from textual.app import App
from textual.widgets._toast import Toast

from omnyshell.tui import notices


async def test_what_no_key_asked_for_is_told_in_turn_so_that_it_hides_no_mistake(monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    monkeypatch.setattr(App, "notify", lambda _, message, **__: told.append(message))
    monkeypatch.setattr(notices, "SHORTEST", 0.05)
    app = notices.TellingApp()
    async with app.run_test():
        app.tell_in_turn("the theme is wrong", severity="warning")
        app.tell_in_turn("keys are", severity="warning")
        app.tell_in_turn("terminals wait")
        # What a key did is told at once.
        app.notify("copied")
        assert told == ["the theme is wrong", "copied"]
        await until(lambda: told[2:] == ["keys are", "terminals wait"])


class Plain(notices.TellingApp):
    CSS = notices.CSS


def shown(app: App[int]) -> list[str]:
    return [str(one.render()) for one in app.screen.query(Toast) if one.parent.display]


async def test_the_newest_hides_those_before_it_which_come_back_after_it():
    async with Plain().run_test(notifications=True) as pilot:
        pilot.app.notify("a long one that is told first", timeout=60)
        await until(lambda: shown(pilot.app) == ["a long one that is told first"])
        pilot.app.notify("short", timeout=0.3)
        await until(lambda: shown(pilot.app) == ["short"])
        await until(lambda: shown(pilot.app) == ["a long one that is told first"])

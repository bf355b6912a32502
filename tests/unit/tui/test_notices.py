"""What the console tells beside."""

import pytest
from support.stack import until
from textual.app import App, ComposeResult
from textual.widgets import Static
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


async def test_a_key_drops_what_has_been_on_screen_for_a_moment(monkeypatch: pytest.MonkeyPatch):
    async with Plain().run_test(notifications=True) as pilot:
        pilot.app.notify("first", timeout=60)
        pilot.app.notify("second", timeout=60)
        await until(lambda: shown(pilot.app) == ["second"])
        pilot.app.drop_seen_notice()
        assert len(pilot.app._notifications) == 2
        monkeypatch.setattr(notices, "SEEN_AFTER", 0.0)
        pilot.app.drop_seen_notice()
        await until(lambda: not shown(pilot.app))
        pilot.app.drop_seen_notice()


class Lines(Plain):
    """Text to the last line but one, and a line of keys."""

    CSS = f"{notices.CSS} #text {{ height: 1fr; }} #keys {{ dock: bottom; height: 1; }}"

    def compose(self) -> ComposeResult:
        yield Static("text", id="text")
        yield Static("keys", id="keys")


async def test_a_notice_lies_over_the_line_of_keys_and_a_longer_one_moves_the_rest_up():
    async with Lines().run_test(notifications=True, size=(40, 10)) as pilot:
        text = pilot.app.query_one("#text")
        pilot.app.notify("short", timeout=60)
        await until(lambda: shown(pilot.app) == ["short"])
        await until(lambda: pilot.app.screen.query_one(Toast).region.y == 9)
        assert text.region.height == 9
        await until(lambda: pilot.app.screen._compositor.render_strips()[-1].text.strip(" ▌") == "short")
        pilot.app.notify("of more than one line " * 3, timeout=60)
        await until(lambda: text.region.height == 8)
        assert [toast.region.bottom for toast in pilot.app.screen.query(Toast) if toast.region] == [10]


async def test_the_newest_hides_those_before_it_which_come_back_after_it():
    async with Plain().run_test(notifications=True) as pilot:
        pilot.app.notify("a long one that is told first", timeout=60)
        await until(lambda: shown(pilot.app) == ["a long one that is told first"])
        pilot.app.notify("short", timeout=0.3)
        await until(lambda: shown(pilot.app) == ["short"])
        await until(lambda: shown(pilot.app) == ["a long one that is told first"])

"""How pictures are taken and compared: once the console has settled, and no later."""

from pathlib import Path

import pytest
from support import pictures
from textual.app import App, ComposeResult
from textual.widgets import Static

LATE = 0.1
"""Seconds, less than what counts as still."""


class LateApp(App[None]):
    """What it shows is painted a bit after it has started, by a timer."""

    def compose(self) -> ComposeResult:
        yield Static("early")

    def on_mount(self) -> None:
        self.set_timer(LATE, lambda: self.query_one(Static).update("late"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FOLDER", tmp_path / "known")
    monkeypatch.setattr(pictures, "FAILED", tmp_path / "failed")
    monkeypatch.setattr(pictures, "_made", set())
    monkeypatch.delenv(pictures.UPDATE, raising=False)


async def check() -> None:
    app = LateApp()
    async with app.run_test(size=(20, 3)):
        await pictures.check_picture(app, "late")


async def test_a_picture_is_taken_once_it_is_painted_and_known_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pictures.UPDATE, "1")
    await check()
    taken = (pictures.FOLDER / "late.svg").read_text(encoding="utf-8")
    assert "late" in taken
    assert "early" not in taken
    monkeypatch.delenv(pictures.UPDATE)
    pictures._made.clear()
    await check()
    assert not pictures.FAILED.exists()


async def test_a_picture_that_differs_fails_once_it_is_painted() -> None:
    pictures.FOLDER.mkdir()
    (pictures.FOLDER / "late.svg").write_text("something else", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match="late looks different"):
        await check()
    assert "late" in (pictures.FAILED / "late.svg").read_text(encoding="utf-8")

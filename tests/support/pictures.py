"""Pictures of the console: compared with those in `snapshots/`, or written there with `make snapshots`.

A picture that no test makes is an orphan; a full run refuses it.
"""

import asyncio
import os
import re
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from support.deadline import DEADLINE
from support.settling import has_work, settle
from textual.app import App

from omnyshell.tui.colours.reduction import Reduction

FOLDER = Path(__file__).parents[2] / "snapshots"
FAILED = Path(__file__).parents[2] / "snapshots-failed"
UPDATE = "OMNYSHELL_UPDATE_SNAPSHOTS"

FRAME = 1 / 30
STILL = 8
"""Frames in a row that look alike, once nothing is left to do: what is there is painted."""

ALWAYS = "not installs"
"""What a full run leaves out too, by pytest's settings: those tests make no pictures."""

XTERM = TerminalTheme(
    (0, 0, 0),
    (229, 229, 229),
    [(0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)],
    [(127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255),
     (255, 255, 255)],
)  # fmt: skip
"""What xterm shows the sixteen colours as that have names."""

_made: set[str] = set()


async def check_picture(app: App[Any], name: str) -> None:
    """Compare what the app shows, once it is painted, with the picture of that name."""
    assert re.fullmatch(r"[a-z0-9-]+", name), name
    assert name not in _made, f"two pictures named {name}"
    _made.add(name)
    path = FOLDER / f"{name}.svg"
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    is_update = bool(os.environ.get(UPDATE))
    drawn = await _painted(app, "" if is_update else known)
    if is_update:
        FOLDER.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    elif drawn != known:
        FAILED.mkdir(exist_ok=True)
        (FAILED / path.name).write_text(drawn, encoding="utf-8")
        why = "looks different" if known else "has no picture yet"
        pytest.fail(f"{name} {why}: compare snapshots-failed/{path.name}; `make snapshots` takes it as right")


async def _painted(app: App[Any], expected: str) -> str:
    """Return what the app shows, as soon as that is what is expected, and else once it has settled."""
    deadline = time.monotonic() + DEADLINE
    await settle(app)
    drawn, still = _drawn(app), 0
    while drawn != expected and still < STILL and time.monotonic() < deadline:
        before = drawn
        await asyncio.sleep(FRAME)
        drawn = _drawn(app)
        still = still + 1 if drawn == before and not has_work(app) else 0
    return drawn


def _drawn(app: App[Any]) -> str:
    if not app.get_line_filters()[-1:] or not isinstance(app.get_line_filters()[-1], Reduction):
        return app.export_screenshot(title="OmnyShell", simplify=True)
    # Textual's own way gives no choice of what the colours with names look like.
    console = Console(
        width=app.size.width, height=app.size.height, file=StringIO(), force_terminal=True, color_system="truecolor",
        record=True, legacy_windows=False, safe_box=False,
    )  # fmt: skip
    whole = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens, simplify=True)
    console.print(whole)
    return console.export_svg(title="OmnyShell", theme=XTERM)


def report_to_controller(session: pytest.Session) -> None:
    """In a worker: tell which pictures were made."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["pictures"] = sorted(_made)


def hear_worker(node: Any) -> None:
    """In the controller: note what a worker made."""
    _made.update(getattr(node, "workeroutput", {}).get("pictures", ()))


def orphans(config: pytest.Config) -> list[str]:
    """Pictures that no test has made, where all tests ran."""
    is_full = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not is_full or config.option.keyword or config.option.markexpr != ALWAYS or hasattr(config, "workeroutput"):
        return []
    return sorted(path.name for path in FOLDER.glob("*") if path.stem not in _made)

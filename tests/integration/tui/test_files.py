"""Two panes of files in the console, over a real hub and node."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.arriving import arrive
from support.console_over_hub import console, fill, toasts
from support.stack import Certificates, until
from textual.pilot import Pilot
from textual.widgets import Log

from omnyshell.security.authorizer import Action
from omnyshell.security.grants import Grant
from omnyshell.tui.actions.leaving import LeavingQuestion
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.files.dialogs import NameDialog, PathDialog
from omnyshell.tui.files.pane import FilePane
from omnyshell.tui.files.queue import Copy, CopyQueue, CopyState
from omnyshell.tui.files.screen import FilesScreen
from omnyshell.tui.files.viewing import FileView


@asynccontextmanager
async def panes(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[ConsoleApp, Pilot[int], FilesScreen, Path, Path]]:
    """The panes over two directories: this machine's `here`, and `there` of the node."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with console(certificates, tmp_path / "node") as (app, pilot, _):
        await pilot.press("f")
        screen = await arrive(app, FilesScreen)
        await until(lambda: screen.there.path)
        await go_to(pilot, screen.there, there)
        yield app, pilot, screen, here, there


async def go_to(pilot: Pilot[int], pane: FilePane, path: Path) -> None:
    pane.table.focus()
    await pilot.press("g")
    await arrive(pilot.app, PathDialog)
    await fill(pilot, path=str(path))
    await pilot.press("enter")
    await until(lambda: pane.path == os.fsencode(path) and isinstance(pilot.app.screen, FilesScreen))


def names(pane: FilePane) -> list[str]:
    return [os.fsdecode(each.name) for each in pane.rows.shown]


async def reload(pilot: Pilot[int], pane: FilePane, *expected: str) -> None:
    pane.table.focus()
    await pilot.press("f5")
    await until(lambda: names(pane) == list(expected))


async def test_files_are_copied_both_ways_and_what_is_there_is_replaced_once_that_is_meant(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with panes(certificates, tmp_path, monkeypatch) as (app, pilot, screen, here, there):
        (here / "tree" / "deep").mkdir(parents=True)
        (here / "tree" / "deep" / "leaf").write_bytes(b"leaf")
        (here / "app.toml").write_bytes(b"new")
        (here / ".hidden").write_bytes(b"")
        (there / "app.toml").write_bytes(b"old")
        await reload(pilot, screen.there, "app.toml")
        await reload(pilot, screen.here, "tree", "app.toml")
        await pilot.press("full_stop")
        await until(lambda: names(screen.here) == ["tree", ".hidden", "app.toml"])
        await pilot.press("full_stop", "a", "c")
        await arrive(app, Question)
        await pilot.press("escape")
        await until(lambda: app.screen is screen)
        assert not screen._queue.copies
        await pilot.press("c")
        await arrive(app, Question)
        await pilot.press("tab", "enter")
        await until(lambda: names(screen.there) == ["tree", "app.toml"])
        assert (there / "tree" / "deep" / "leaf").read_bytes() == b"leaf"
        assert (there / "app.toml").read_bytes() == b"new"
        assert not (there / ".hidden").exists()
        (there / "log").write_bytes(b"what happened\n")
        await reload(pilot, screen.there, "tree", "app.toml", "log")
        await pilot.press("end", "c")
        await until(lambda: "log" in names(screen.here))
        assert (here / "log").read_bytes() == b"what happened\n"
        assert [copy.state for copy in screen._queue.copies] == [CopyState.DONE, CopyState.DONE]
        assert "log to" in toasts(app)


async def test_entries_are_renamed_made_and_deleted_with_what_is_in_them(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with panes(certificates, tmp_path, monkeypatch) as (app, pilot, screen, here, there):
        victim = here / "not-to-be-touched"
        victim.write_bytes(b"whole")
        (there / "old").mkdir()
        (there / "old" / "file").write_bytes(b"")
        (there / "old" / "way-out").symlink_to(here)
        await reload(pilot, screen.there, "old")
        await pilot.press("r")
        await arrive(app, NameDialog)
        await fill(pilot, name="new")
        await pilot.press("enter")
        await until(lambda: names(screen.there) == ["new"])
        await pilot.press("n")
        await arrive(app, NameDialog)
        await fill(pilot, name="new")
        await pilot.press("enter")
        await until(lambda: app.screen.query("#error.-shown"))
        await fill(pilot, name="made")
        await pilot.press("enter")
        await until(lambda: names(screen.there) == ["made", "new"] and app.screen is screen)
        await pilot.press("a", "x")
        await arrive(app, Question)
        await pilot.press("tab", "enter")
        await until(lambda: screen.there.rows.total == 0)
        assert list(there.iterdir()) == []
        assert victim.read_bytes() == b"whole"


async def test_a_file_is_viewed_and_a_directory_gone_into_and_left_again(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with panes(certificates, tmp_path, monkeypatch) as (app, pilot, screen, _, there):
        (there / "etc").mkdir()
        (there / "etc" / "motd").write_bytes(b"hello \x1b[31mred\n" + b"x" * 300_000)
        os.mkfifo(there / "pipe")
        await reload(pilot, screen.there, "etc", "pipe")
        await pilot.press("enter")
        await until(lambda: names(screen.there) == ["motd"])
        await pilot.press("enter")
        view = await arrive(app, FileView)
        await until(lambda: bool(view.query(Log)))
        log = view.query_one(Log)
        await until(lambda: log.line_count > 1)
        assert log.lines[0].startswith("hello ")
        assert "\x1b" not in "".join(log.lines)
        assert "the first 255K of 293K" in str(log.border_subtitle)
        await pilot.press("escape", "backspace")
        await until(lambda: names(screen.there) == ["etc", "pipe"])
        assert screen.there.rows.current is not None
        assert screen.there.rows.current.name == b"etc"
        await pilot.press("down", "enter")
        await until(lambda: "pipe is no file" in toasts(app))
        await pilot.press("escape")
        await until(lambda: app.screen is app.overview)
        await until(lambda: not app.hub.state.sessions)


async def test_an_edited_file_is_put_back_unless_it_was_changed_there(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with panes(certificates, tmp_path, monkeypatch) as (app, pilot, screen, _, there):
        target = there / "conf"
        target.write_bytes(b"a = 1\n")
        target.chmod(0o640)

        def editing(change: str) -> None:
            async def run(argv: tuple[str, ...]) -> None:
                copy = Path(argv[-1])
                assert copy.parent.stat().st_mode & 0o777 == 0o700
                if change:
                    copy.write_bytes(copy.read_bytes() + change.encode())
                if change == "late":
                    target.write_bytes(b"by somebody else\n")

            monkeypatch.setattr(screen, "_run_editor", run)

        await reload(pilot, screen.there, "conf")
        editing("")
        await pilot.press("e")
        await until(lambda: "conf is unchanged" in toasts(app))
        editing("b = 2\n")
        await pilot.press("e")
        await until(lambda: "conf is written back" in toasts(app))
        assert target.read_bytes() == b"a = 1\nb = 2\n"
        assert target.stat().st_mode & 0o777 == 0o640
        editing("late")
        await pilot.press("e")
        await until(lambda: "what you wrote is kept as" in toasts(app))
        assert target.read_bytes() == b"by somebody else\n"
        kept = next(line for line in toasts(app).split() if line.startswith("/") and line.rstrip(".").endswith("/conf"))
        assert Path(kept.rstrip(".")).read_bytes() == b"a = 1\nb = 2\nlate"


async def test_copies_go_on_behind_other_screens_and_leaving_the_console_asks(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on, copied = asyncio.Event(), CopyQueue._copied

    async def held(queue: CopyQueue, copy: Copy) -> CopyState:
        await may_go_on.wait()
        return await copied(queue, copy)

    monkeypatch.setattr(CopyQueue, "_copied", held)
    async with panes(certificates, tmp_path, monkeypatch) as (app, pilot, screen, here, there):
        (here / "large").write_bytes(os.urandom(1024) * 1024)
        await reload(pilot, screen.here, "large")
        await pilot.press("c")
        await until(lambda: app.file_work.unfinished)
        await pilot.press("escape")
        await until(lambda: app.screen is app.overview)
        await pilot.press("ctrl+q")
        await arrive(app, LeavingQuestion)
        await pilot.press("escape")
        may_go_on.set()
        await until(lambda: "large to" in toasts(app))
        assert (there / "large").read_bytes() == (here / "large").read_bytes()
        assert not app.file_work.unfinished
        await until(lambda: not app.hub.state.sessions)
        await pilot.press("f")
        screen = await arrive(app, FilesScreen)
        await until(lambda: (screen.here.path, screen.there.path) == (os.fsencode(here), os.fsencode(there)))


async def test_a_copy_that_is_stopped_leaves_what_can_be_gone_on_with(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with panes(certificates, tmp_path, monkeypatch) as (app, pilot, screen, here, there):
        content = os.urandom(1024) * 32 * 1024
        (here / "large").write_bytes(content)
        await reload(pilot, screen.here, "large")
        await pilot.press("c")
        await until(lambda: (copies := screen._queue.copies) and copies[0].progress and copies[0].progress.moved)
        await pilot.press("X")
        await until(lambda: not screen._queue.unfinished)
        assert screen._queue.copies[0].state in (CopyState.STOPPED, CopyState.DONE)
        # On a slow machine all of it may be there before the key is.
        was_whole = screen._queue.copies[0].state is CopyState.DONE
        await reload(pilot, screen.there, *(["large"] if was_whole else []))
        await reload(pilot, screen.here, "large")
        await pilot.press("c")
        if was_whole:
            await arrive(app, Question)
            await pilot.press("tab", "enter")
        await until(lambda: len(screen._queue.copies) == 2 and not screen._queue.unfinished)
        assert screen._queue.copies[-1].state is CopyState.DONE
        assert (there / "large").read_bytes() == content
        assert [each.name for each in there.iterdir()] == ["large"]


async def test_who_has_no_right_to_files_is_told_which_it_takes(certificates: Certificates, tmp_path: Path) -> None:
    grants = (Grant(roles=frozenset({"developer"}), nodes=("n1",), rights=frozenset({Action.FILES}), deny=True),)
    async with console(certificates, tmp_path, principal="dev", grants=grants) as (app, pilot, _):
        await until(lambda: app.overview.nodes.refusal("files"))
        await pilot.press("f")
        await until(lambda: "You may not copy files on n1" in toasts(app))
        assert app.screen is app.overview

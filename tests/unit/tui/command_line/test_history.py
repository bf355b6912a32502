"""What was entered before."""

from pathlib import Path

import pytest

from omnyshell.tui.command_line.history import MOST, History, Recalling


def test_what_was_entered_is_there_at_the_next_start_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "console-history"
    history = History(file)
    for line in ("nodes", "run uptime", "nodes"):
        history.add(line)
    assert History(file).lines == ["run uptime", "nodes"]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", ["", "  ", " run mysql -psecret", "a\nb", "\x1b[2J", "x" * 3_000])
def test_some_lines_are_not_kept(tmp_path: Path, line: str) -> None:
    history = History(tmp_path / "h")
    history.add(line)
    assert history.lines == []


def test_it_is_bounded_and_shared_by_consoles(tmp_path: Path) -> None:
    file = tmp_path / "h"
    file.write_text("".join(f"line {at}\n" for at in range(MOST)))
    one, other = History(file), History(file)
    assert len(one.lines) == len(other.lines) == MOST
    one.add("one")
    other.add("other")
    assert list(other.lines[-2:]) == ["one", "other"]
    assert len(file.read_text().splitlines()) == MOST


def test_where_it_cannot_be_kept_there_is_that_of_this_console(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "h")
    history.add("nodes")
    assert history.lines == ["nodes"]


def test_keys_go_back_through_what_begins_as_typed_and_return() -> None:
    recalling = Recalling(["run a", "nodes", "run b", "help"])
    line = "run"
    seen = []
    for by in (1, 1, 1, -1, -1, -1):
        line = recalling.step(line, by)
        seen.append(line)
    assert seen == ["run b", "run a", "run a", "run b", "run", "run"]
    assert recalling.step("", 1) == "help"
    assert recalling.step("x", 1) == "x"

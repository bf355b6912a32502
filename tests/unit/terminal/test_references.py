"""Our screen after each recording beside what xterm.js and tmux show of it, cell by cell."""

import json
from pathlib import Path

from support.in_one_test import in_one_test
from support.terminal_references.cells import Cell, Screen, load
from support.terminal_references.compare import Difference, differences, ours, screen_of, size_of

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, state

RECORDINGS = Path(__file__).parents[2] / "recordings"
REFERENCES = Path(__file__).parents[2] / "terminal" / "references"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.bin"))

LAST_COLUMN = "EL with a wrap pending erases the last column, as in xterm; both references erase nothing"

# Lines where the two references disagree with each other, or both with xterm, and why. All else must equal both.
DISAGREEMENTS = {
    **{("top.80x24", reference): {7: LAST_COLUMN, 8: LAST_COLUMN} for reference in ("xterm", "tmux")},
    **{("top.100x30", reference): {7: LAST_COLUMN, 9: LAST_COLUMN} for reference in ("xterm", "tmux")},
    ("emoji.60x20", "xterm"): {
        0: "xterm.js does not join what follows a zero-width joiner; tmux does, and so do we",
        1: "as line 0",
    },
}


def unexplained(name: str, reference: str, shown: Screen, screens: dict[str, Screen]) -> list[Difference]:
    known = DISAGREEMENTS.get((name, reference), {})
    found = [
        difference
        for difference in differences(shown, screens[reference], reference)
        if difference[0] not in known
        and not (reference == "tmux" and is_not_reported(*difference[:2], screens["tmux"]))
    ]
    assert not [difference for difference in found if is_undisputed(difference, screens)]
    return found


def is_not_reported(y: int, x: int, tmux: Screen) -> bool:
    """`capture-pane` leaves out the erased cells at a line's end, whatever their colour."""
    return all(cell == Cell(" ", -1, -1, 0, 0) for cell in tmux.rows[y][x:])


def is_undisputed(difference: Difference, screens: dict[str, Screen]) -> bool:
    y, x, *_ = difference
    return screens["xterm"].rows[y][x] == screens["tmux"].rows[y][x]


@in_one_test("name", NAMES)
def test_the_screen_equals_both_references(name: str) -> None:
    path = RECORDINGS / f"{name}.bin"
    screens = load(REFERENCES / f"{name}.json")
    shown = ours(path.read_bytes(), *size_of(path))
    assert unexplained(name, "xterm", shown, screens) == []
    assert unexplained(name, "tmux", shown, screens) == []
    assert shown.cursor == screens["xterm"].cursor == screens["tmux"].cursor


@in_one_test("name", NAMES)
@in_one_test("chunk", [1, 7])
def test_chunks_of_any_size_give_the_same_screen(name: str, chunk: int) -> None:
    path = RECORDINGS / f"{name}.bin"
    data = path.read_bytes()[:3_000]
    assert ours(data, *size_of(path), chunk) == ours(data, *size_of(path))


@in_one_test("name", NAMES)
def test_a_snapshot_at_any_point_goes_on_like_its_original(name: str) -> None:
    path = RECORDINGS / f"{name}.bin"
    data = path.read_bytes()
    original = Emulator(*size_of(path))
    painted = original
    step = len(data) // 5 + 1
    for at in range(0, len(data), step):
        original.feed(data[at : at + step])
        if painted is not original:
            painted.feed(data[at : at + step])
        if original.on_alternate_screen == painted.on_alternate_screen:
            assert screen_of(painted).rows == screen_of(original).rows or leaves_alternate(data[at : at + step])
        painted = Emulator(*size_of(path))
        picture = paint(original)
        painted.feed(picture)
        assert state(painted) == state(original)
        assert len(picture) < 2048 + 40 * original.columns * original.lines


def leaves_alternate(data: bytes) -> bool:
    return b"\x1b[?1049l" in data or b"\x1b[?47l" in data


def test_each_recording_has_its_references() -> None:
    assert sorted(path.stem for path in REFERENCES.glob("*.json")) == NAMES
    for path in REFERENCES.glob("*.json"):
        assert set(json.loads(path.read_text())) == {"columns", "lines", "xterm", "tmux"}

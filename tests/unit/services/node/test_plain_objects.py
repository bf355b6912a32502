"""The node's plain objects: references, questions to the terminal, and what keeps a screen in step."""

import asyncio
import itertools
import time
from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from omnyshell import PtySpec, SessionRejectedException
from omnyshell.services.node.screens.device_queries import DeviceQuery, DeviceQueryScanner
from omnyshell.services.node.screens.pump import REST, Painting, ScreenPump
from omnyshell.services.node.sessions.output import MainScreenWatch
from omnyshell.services.node.sessions.references import find_session
from omnyshell.services.node.sessions.size_reports import SizeReports

IDS = (
    "0a1b2c3d-0000-4000-8000-000000000000",
    "0a1b2c3d-1111-4000-8000-000000000000",
    "ffffffff-0000-4000-8000-000000000000",
)


@dataclass
class Candidate:
    id: str


CANDIDATES = [Candidate(id_) for id_ in IDS]


@pytest.mark.parametrize(
    ("ref", "index"),
    [
        (IDS[0], 0),
        (IDS[1].upper(), 1),
        (IDS[1].replace("-", ""), 1),
        ("0a1b2c3d-1", 1),
        ("0A1B2C3D1", 1),
        ("f", 2),
        ("-f-f-", 2),
    ],
)
def test_a_session_is_named_by_its_id_or_the_beginning_of_it(ref: str, index: int) -> None:
    assert find_session(CANDIDATES, ref) is CANDIDATES[index]


@pytest.mark.parametrize(
    ("ref", "code"), [("", "not_found"), ("--", "not_found"), ("1", "not_found"), ("0a1b2c3d", "ambiguous")]
)
def test_what_names_none_or_several_is_refused(ref: str, code: str) -> None:
    with pytest.raises(SessionRejectedException) as raised:
        find_session(CANDIDATES, ref)
    assert raised.value.code == code


def test_a_whole_id_is_never_ambiguous() -> None:
    candidates = [Candidate("ab"), Candidate("abc")]
    assert find_session(candidates, "AB") is candidates[0]


PIECES = st.sampled_from(
    [b"\x1b[c", b"\x1b[0c", b"\x1b[5n", b"\x1b[6n", b"\x1b[>c", b"\x1b[?6n", b"\x1b", b"[", b"6", b"n", b"text"]
)


@given(st.lists(PIECES, max_size=8), st.lists(st.integers(0, 40), max_size=4))
def test_questions_are_found_over_any_chunking(pieces: list[bytes], cuts: list[int]) -> None:
    text = b"".join(pieces)
    whole = [(piece, query) for piece, query, _ in DeviceQueryScanner().split(text)]
    assert b"".join(piece for piece, _ in whole) == text
    scanner = DeviceQueryScanner()
    found: list[DeviceQuery] = []
    passed = b""
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(edges):
        for piece, query, _ in scanner.split(text[start:end]):
            passed += piece
            found += [query] if query is not None else []
    assert passed == text
    assert found == [query for _, query in whole if query is not None]


@pytest.mark.parametrize("leave", [b"\x1b[?1049l", b"\x1b[?47l", b"\x1b[?1047l", b"\x1b[?25;1049l"])
def test_coming_back_to_the_main_screen_is_noticed_over_any_chunking(leave: bytes) -> None:
    text = b"before\x1b[?1049h\x1b[?25l" + leave + b"after"
    for cut in range(len(text) + 1):
        watch = MainScreenWatch()
        first, second = watch.find(text[:cut]), None
        if first is None:
            second = watch.find(text[cut:])
        end = first if first is not None else cut + (second or 0)
        assert text[:end].endswith(leave)
    assert MainScreenWatch().find(b"\x1b[?1049h\x1b[?2004l") is None


class SlowScreen:
    """A follower that takes in one push a slice."""

    def __init__(self) -> None:
        self.full = False
        self.shown = b""
        self.queue: list[bytes] = []

    def push(self, data: bytes) -> None:
        self.queue.append(data)

    def work(self, budget: float) -> bool:
        if self.queue:
            self.shown += self.queue.pop(0)
        return bool(self.queue)

    def resize(self, cols: int, rows: int) -> None:
        assert not self.queue
        self.shown += b"<%dx%d>" % (cols, rows)

    def paint(self, *, again: bool = False) -> Painting:
        return Painting(self.shown)

    reports_size = False

    def paint_main(self) -> bytes:
        return b""

    def answer(self, query: DeviceQuery) -> bytes:
        return b""


async def test_what_is_done_at_a_point_of_the_output_sees_that_point() -> None:
    screen = SlowScreen()
    room = asyncio.Event()
    pump = ScreenPump(screen, on_room=room.set)
    seen: list[bytes] = []

    def look() -> None:
        seen.append(screen.shown)

    def look_and_push() -> None:
        look()
        pump.push_next(b"!")

    look()
    pump.push(b"a")
    pump.push(b"b")
    assert pump.has_room
    pump.at_this_point(look)
    assert not pump.has_room
    pump.push(b"c")
    pump.resize(5, 6)
    pump.push(b"d")
    pump.at_this_point(look_and_push)
    pump.push(b"e")
    pump.at_this_point(look)
    async with asyncio.timeout(5):
        await room.wait()
    assert seen == [b"", b"ab", b"abc<5x6>d", b"abc<5x6>d!e"]
    pump.close()


async def test_a_screen_that_breaks_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SlowScreen):
        def work(self, budget: float) -> bool:
            raise RuntimeError("a bug")

    pump = ScreenPump(Broken(), on_room=lambda: None)
    done = asyncio.Event()
    pump.push(b"x")
    pump.at_this_point(done.set)
    async with asyncio.timeout(5):
        await done.wait()
    assert pump.has_room
    assert "could not be followed" in caplog.text
    pump.close()


class SlowFollower:
    """A screen with so many slices of work ahead."""

    def __init__(self, slices: int) -> None:
        self.slices = slices

    @property
    def full(self) -> bool:
        return self.slices > 20

    def push(self, data: bytes) -> None:
        pass

    def work(self, budget: float) -> bool:
        self.slices -= 1
        return self.slices > 0


async def test_a_screen_that_is_behind_does_not_rest_until_it_has_caught_up() -> None:
    follower = SlowFollower(40)
    room = asyncio.Event()
    pump = ScreenPump(follower, on_room=room.set)  # type: ignore[arg-type]
    assert not pump.has_room
    pump.push(b"output")
    began = time.monotonic()
    await asyncio.wait_for(room.wait(), 5)
    while follower.slices:
        await asyncio.sleep(0)
    assert time.monotonic() - began < 20 * REST
    pump.close()


def test_sizes_are_reported_to_who_relies_on_it_where_its_terminal_does_not() -> None:
    reports, size = SizeReports(), PtySpec(cols=60, rows=20)
    for typed in (b"\x1b[48;24;80t"[:6], b"ls\r", b"\x1b[48;1t", b"\x1b[8;24;80t"):
        reports.typed(typed)
    reports.attached()
    assert reports.report(size) == b""
    reports.typed(b"x\x1b[48;24;80;0;0ty")
    assert reports.report(size) == b""
    reports.attached()
    assert reports.report(size) == b"\x1b[48;20;60;0;0t"

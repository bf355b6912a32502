"""Screens that cost: whoever draws what a peer sent spends no more than the time it gives."""

import gc
import sys
import time
from collections.abc import Iterator
from weakref import ref

import pytest
from support.deadline import DEADLINE
from support.in_one_test import in_one_test

from omnyshell.terminal import Emulator
from omnyshell.terminal.following.follower import Follower, draw_for
from omnyshell.terminal.painting.snapshot import paint, painting, state
from omnyshell.terminal.screen.links import MOST_LINK_TEXT
from omnyshell.terminal.screen.style import TRUE_COLOUR, Look, style_of
from omnyshell.terminal.screen.work import finished
from omnyshell.terminal.sequences.functions import CONTROL_SEQUENCES, OTHER_FUNCTIONS

MOST = 99_999_999
PARAMETERS = (
    "",
    f"{MOST}",
    "2",
    f"1;1;{MOST};{MOST}",
    f"65;1;1;{MOST};{MOST}",
    f"1;1;{MOST};{MOST};1;2;2;1",
    f"1;1;{MOST};{MOST};" + ";".join(["1", "4"] * 14),
    ";".join(["1049", "1047", "47"] * 10),
)
MORE = (
    *(f"{character}\x1b[{MOST}b" for character in ("x", "漢", "e\u0301", "👩\u200d", "\x1b[?2027h🇩", "\u0600")),
    *("x" * 300, "漢" * 200, "漢e\u0301" * 50, "x\n", "\x1b[?1049h\x1b[?1049l", "\x1b[@\x1b[2K"),
    *(
        "\x1b]104\x07",
        "\x1b]4;1;red;2;blue\x07\x1b]104\x07",
        f"\x1b]104;{'1;' * 500}\x07",
        f"\x1b]4;{'1;a;' * 250}\x07",
    ),
    f"\x1b]8;;http://{'u' * 900}\x07x",
)


def functions() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every control function that does something, each with all parameters that may make it dear."""
    for name in CONTROL_SEQUENCES:
        prefix, rest = (name[0], name[1:]) if name[0] in "<=>?" else ("", name)
        yield name, tuple(f"\x1b[{prefix}{parameters}{rest}" for parameters in PARAMETERS)
    yield from ((function, (function,)) for function in sorted(OTHER_FUNCTIONS))
    yield from ((text, (text,)) for text in MORE)


def full(columns: int, lines: int) -> str:
    """Every cell another style; every other one protected, half of them wide."""
    row = "".join(
        f'\x1b[{n % 2}"q\x1b[38;5;{n % 256};48;2;{n % 7};{n // 256};{n % 5}m{"漢ex"[n % 3]}'
        for n in range(columns * 3 // 4)
    )
    rows, done = f"\x1b[H{row}", 1
    while done < lines:
        rows += f"\x1b[1;1;{done};{columns};1;{done + 1};1;1$v"
        done *= 2
    return f"{rows}\x1b[H"


def places(columns: int, lines: int) -> dict[str, str]:
    """What makes the functions after it dear, each for another reason."""
    cells = full(columns, lines)
    settings = "".join(f"\x1b]21;n{n}=red\x07" for n in range(500))
    return {
        "full": cells,
        "protected": f"{cells}\x1bV\x1bW",
        "narrow margins": f"{cells}\x1b[?69h\x1b[2;3s\x1b[{lines};3H",
        "wide margins": f"{cells}\x1b[?69h\x1b[2;{columns - 1}s\x1b[{lines};{columns - 1}H",
        "settings": f"{settings}\x1b[3g\x1b[{columns}G",
    }


SLOWEST_STEP = 0.025
"""Seconds of processor time: several times what a step takes, as a machine may be slow; one that counts nothing of what
it does takes more."""


def slow_functions(columns: int, lines: int, before: str, bound: float) -> dict[str, float]:
    """The functions whose slice takes more than `bound` seconds of processor time, beside what the budget gives."""
    slow = {}
    for name, attacks in functions():
        screen = Emulator(columns, lines, scrollback=1000)
        screen.feed(before.encode())
        for attack in attacks:
            # Again where it was too much: a collection of garbage may have come between.
            took = slice_of(screen, attack)
            if took > bound:
                took = min(slice_of(screen, attack) for _ in range(3))
            if took > bound:
                slow[attack] = took
        assert not screen.is_behind, name
    return slow


def slice_of(screen: Emulator, attack: str) -> float:
    """How long a slice takes; what it leaves of the attack is drawn as well."""
    took = shortest_slice(screen, attack)
    screen.go_on()
    return took


def shortest_slice(screen: Emulator, attack: str) -> float:
    """Have a follower draw an attack for the shortest slice there is; return the processor time that it took."""
    follower = Follower(screen, time.thread_time)
    follower.push(attack.encode() * 8)
    begun = time.thread_time()
    follower.work(0.0)
    return time.thread_time() - begun


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("place", ["full", "narrow margins", "wide margins", "settings"])
def test_no_sequence_takes_more_than_its_time(place: str) -> None:
    assert slow_functions(80, 24, places(80, 24)[place], SLOWEST_STEP) == {}


@pytest.mark.usefixtures("unmeasured")
def test_no_sequence_takes_more_than_its_time_on_a_large_screen() -> None:
    assert slow_functions(160, 50, places(160, 50)["protected"], 2 * SLOWEST_STEP) == {}


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("attack", ["\x1b[$t", "\x1b[?J", "\x1b[1;1;999;999;1;1;2;1$v", "\x1b['}"])
def test_one_function_is_the_least_that_is_done_on_the_largest_screen(attack: str) -> None:
    screen = Emulator(1000, 500)
    screen.feed(f"\x1b[H{'ab漢' * 250}\x1b[44mx\x1b[1;1;1;999;1;2;1;1$v\x1b[1;1;250;999;1;251;1;1$v\x1bV".encode())
    assert shortest_slice(screen, attack) < 0.5


@in_one_test("place", ["full", "protected", "narrow margins", "wide margins"])
def test_what_is_put_off_is_carried_out_as_if_it_were_not(place: str) -> None:
    before = places(20, 6)[place].encode()
    whole, parts = Emulator(20, 6, scrollback=100), Emulator(20, 6, scrollback=100)
    for name, attacks in functions():
        data = before + b"".join(b"a\xcc\x81" + attack.encode() + b"b" for attack in attacks)
        whole.feed(data)
        for at in range(0, len(data), 1000):
            parts.begin(data[at : at + 1000], 1)
            while parts.is_behind:
                parts.go_on(1)
        assert (state(parts), parts.unfinished) == (state(whole), whole.unfinished), name
        assert [row.cells for row in parts.scrollback] == [row.cells for row in whole.scrollback], name


@pytest.mark.parametrize("different", [1, 2, 10_000])
def test_links_have_no_more_text_than_a_screen_may_have(different: int) -> None:
    screen = Emulator(100, 40)
    for n in range(4000):
        screen.feed(f"\x1b]8;;http://{'u' * 2000}{n % different}\x07x\x1b]8;;\x07y".encode())
    links = {style.look.link for row in screen.rows for style in row.styles}
    assert sum(map(len, links)) <= MOST_LINK_TEXT
    assert any(links)
    assert len(paint(screen)) < MOST_LINK_TEXT + 40 * 100 * 12


def test_links_are_shown_again_when_the_screen_has_room() -> None:
    screen = Emulator(80, 24)
    for n in range(1000):
        screen.feed(f"\x1b]8;;http://{'u' * 2000}{n}\x07x".encode())
    screen.feed(b"\x1b[m\x1b[2J\x1b[H")
    for n in range(1000, 1040):
        screen.feed(f"\x1b]8;;http://{'u' * 2000}{n}\x07x".encode())
    assert screen.rows[0].styles[39].look.link.endswith("1039")


def test_what_is_drawn_in_time_is_drawn_whole() -> None:
    screen = Emulator(80, 24)
    for _ in draw_for(screen, b"\x1b[H" + b"word\r\n" * 20_000 + b"\x1b[2J\x1b[Hlast", time.monotonic, DEADLINE):
        pass
    assert screen.display[0].rstrip() == "last"


def test_time_is_that_of_work_alone() -> None:
    ticks = iter(range(1000))
    drawn = list(draw_for(Emulator(80, 24), b"\x1bc" * 100_000, lambda: float(next(ticks)), 20.0))
    assert 1 <= len(drawn) <= 10


@in_one_test("attack", ["\x1b[1;1;999;999$z", "\x1b['}", "\x1b[1;1;99;99;1;4$r", "\x1b[1;1;9;9;1;2;2;1$v"])
def test_a_row_is_the_least_that_is_done_of_a_function_for_many(attack: str) -> None:
    screen = Emulator(200, 40)
    screen.feed("".join(f"\x1b[38;2;{n % 256};{n // 256};7mx" for n in range(8000)).encode())
    screen.begin(attack.encode() + b"\x1b[1;1Hlast", 1)
    steps = 0
    while screen.is_behind:
        screen.go_on(1)
        steps += 1
    assert steps >= 8
    assert screen.display[0].startswith("last")


def test_many_laden_rows_are_settled_a_few_at_a_time() -> None:
    screen = Emulator(80, 40)
    for _ in range(400):
        screen.begin("".join(f"\x1b[{y};3H\x1b[1mab\x1b[32mc" for y in range(1, 41)).encode(), 100)
        while screen.is_behind:
            screen.go_on(100)
        assert sum(row.is_laden for row in screen.rows) < 40
    assert {line.strip() for line in screen.display} == {"abc"}


def test_the_garbage_collector_looks_at_rows_and_not_at_their_cells() -> None:
    screen = Emulator(200, 40)
    before = len(gc.get_objects())
    for n in range(8000):
        screen.feed(f"\x1b[38;2;{n % 256};{n // 256};7mx".encode())
    gc.collect()
    assert len(gc.get_objects()) - before < 1000
    assert len({style for row in screen.rows for style in row.styles}) == 8000
    gc.collect()
    assert len(gc.get_objects()) - before < 1000


def test_the_garbage_collector_leaves_the_cells_of_wide_rows_out_wherever_they_are() -> None:
    screen = Emulator(200, 30, scrollback=5)
    screen.feed("".join(f"\x1b[38;2;1;2;{n % 256}mx" for n in range(9000)).encode() + "漢".encode() * 200)
    for look_at in (screen.display, screen.resize(30, 150), screen.feed(b"\x1b[H\x1b[4hx\x1b[4l\x1b[1;1;9;9;1$r")):
        lists = [part for row in screen.rows for part in (row.runs, row.cells, row.styles)]
        assert not any(map(gc.is_tracked, lists)), look_at


def test_styles_that_come_as_others_go_do_not_wait_for_the_collector_together() -> None:
    gc.collect()  # what tests before have left is not counted
    screen, most = Emulator(200, 50), 0
    for n in range(30_000):
        screen.feed(f"\x1b[38;2;{n % 256};{n // 256 % 256};{n // 65536}mx".encode())
        if n % 2000 == 0:
            assert screen.display
            most = max(most, len(gc.get_objects(generation=0)))
    assert most < 2000


@in_one_test(
    "attack",
    ["\x1b[2J", "\x1b[H\x1b[J", "\x1b[50;1H\x1b[1J", "\x1bc", "\x1b[H\x1b[50L", "\x1b[H\x1b[50M", "\x1b[50T",
     "\x1b[50S", "\x1b#8", "\x1b[?1047l", "\x1b[?1049l\x1b[?1049h"],
)  # fmt: skip
def test_what_was_on_a_large_screen_is_forgotten_a_row_at_a_time(attack: str) -> None:
    whole, in_steps = Emulator(500, 50), Emulator(500, 50)
    runs = [(x, f"\x1b[38;5;{x % 256}mxxxxx") for x in range(1, 501, 5)]
    full_of_runs = "".join(f"\x1b[{y};{x}H{run}" for y in range(1, 51) for x, run in runs)
    # The same in cells, for a fifth of the time.
    row = "".join(run for _, run in runs)
    copied = f"\x1b[1;1H{row}" + "".join(f"\x1b[1;1;{y};500;1;{y + 1};1;1$v" for y in (1, 2, 4, 8, 16, 32))
    for screen, filled in ((whole, copied), (in_steps, full_of_runs)):
        screen.feed(f"\x1b[?1049h\x1b[9H\x1b#6\x1b[44m{filled}\x1b[50Hx".encode())
    whole.feed(f"{attack}last".encode())
    in_steps.begin(f"{attack}last".encode(), 1)
    steps = 0
    while in_steps.is_behind:
        in_steps.go_on(1)
        steps += 1
    assert steps >= 40
    assert state(in_steps) == state(whole)


@pytest.mark.parametrize("attack", ["\x1b[50S", "\x1b[50;1H" + "\n" * 50])
def test_rows_that_somebody_has_looked_at_go_into_the_history_a_few_at_a_time(attack: str) -> None:
    screen = Emulator(500, 50, scrollback=100)
    screen.feed(b"word " * 5000)
    assert screen.display
    screen.begin(attack.encode(), 100)
    steps = 0
    while screen.is_behind:
        screen.go_on(100)
        steps += 1
    assert steps >= 20
    assert len(screen.scrollback) == 50


def test_styles_that_lead_to_themselves_are_freed_when_they_are_forgotten() -> None:
    style = style_of(Look(bg=TRUE_COLOUR + 77))
    alone = sys.getrefcount(style_of(Look(fg=TRUE_COLOUR + 77)))
    assert style.erased is style
    style.learn("\x1b[99m", style)
    for n in range(2 * 16384):
        style_of(Look(fg=TRUE_COLOUR + n, underline=3))
    assert style.erased is not style
    style.learn("\x1b[99m", style)
    assert sys.getrefcount(style) == alone


def test_a_screen_is_painted_a_row_a_step_and_no_further_than_was_asked() -> None:
    screen = Emulator(100, 40)
    for n in range(4000):
        screen.feed(f"\x1b[38;2;{n % 256};{n // 256};7mx".encode())
    assert finished(painting(screen, most=5000)) is None
    assert sum(row.has_cells for row in screen.rows) < 5
    assert len(list(painting(screen))) > 40
    whole = paint(screen)
    assert finished(painting(screen, most=len(whole))) == whole
    assert finished(painting(screen, most=len(whole) - 1)) is None


def test_a_screen_that_nobody_has_any_more_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        screen = Emulator(20, 5, scrollback=10, answering=True)
        follower = Follower(screen, time.monotonic)
        follower.push(b"\x1b[?1049h\x1b[2;3r\x1b[?69h\x1b]2;a\x07\x1b[31mhello\x1b[?1049l\x1b[5n" + b"\r\n" * 20)
        follower.resize(4, 10)
        follower.drain()
        screen.dirty.clear()
        assert paint(screen)
        assert screen.buffer[0][1].data == " "
        gone = ref(screen)
        del screen, follower
        assert gone() is None
    finally:
        gc.enable()

"""Output that was written to do harm: bounded in time and memory, and nothing typed back."""

import base64
import time
import tracemalloc

import pytest
from support.in_one_test import in_one_test

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.sequences.events import Bell, ClipboardWrite, TitleChanged
from omnyshell.terminal.sequences.osc import LONGEST_STRING

ENDLESS = {
    "osc": b"\x1b]0;" + b"x" * 600_000,
    "dcs": b"\x1bP" + b"x" * 600_000,
    "parameters": b"\x1b[" + b"1;" * 300_000,
    "intermediates": b"\x1b[" + b" " * 300_000,
    "escapes": b"\x1b" * 50_000,
    "marks": b"a" + "\u0301".encode() * 30_000,
    "joiners": "👩\u200d".encode() * 8_000,
    "keyboards": b"\x1b[>1u" * 8_000,
    "titles": b"\x1b]0;" + b"t" * 1000 + b"\x07" + b"\x1b[22;0t" * 8_000,
    "bells": b"\x07" * 30_000,
    "clipboards": (b"\x1b]52;c;" + b"QUFB" * 1000 + b"\x07") * 60,
    "queries": b"\x1b[c\x1b[6n" * 8_000,
    "colours": b"".join(b"\x1b[38;2;%d;%d;7mx" % (n % 256, n // 256 % 256) for n in range(8_000)),
    "runs": b"".join(b"\x1b[%d;3Hab" % (n % 24) for n in range(8_000)),
    "hidden controls": b"\x1b[\n1\rm" * 10_000,
    "links": b"".join(b"\x1b]8;;https://example.org/%d\x07x" % n for n in range(5_000)),
}


@in_one_test("kind", ENDLESS)
def test_memory_stays_bounded(kind: str) -> None:
    data = ENDLESS[kind]
    screen = Emulator(80, 24, answering=True)
    tracemalloc.start()
    try:
        for at in range(0, len(data), 65536):
            screen.feed(data[at : at + 65536])
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 8_000_000
    assert peak < 24_000_000
    screen.feed(b"\x18\x1bcok")
    assert screen.display[0].startswith("ok")


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    "sequence",
    [
        b"a\x1b[999999999b",
        b"\x1b[999999999L",
        b"\x1b[999999999S",
        b"\x1b[999999999@",
        b"\x1b[999999999I",
        b"\x1b[9999999999999999;1H",
        b"\x1b[999999999Z",
        b"\x1b[" + b"9" * 4000 + b"A",
        b"\x1b[" + b"9" * 5000 + b"A",
    ],
)
def test_no_single_sequence_takes_long(sequence: bytes) -> None:
    screen = Emulator(240, 70)
    begun = time.thread_time()
    screen.feed(sequence)
    assert time.thread_time() - begun < 0.5


def test_a_string_is_taken_up_to_its_bound() -> None:
    screen = Emulator(20, 2)
    screen.feed(b"\x1b]0;" + b"x" * (LONGEST_STRING - 2) + b"\x07")
    assert screen.title.startswith("xxx")
    screen.feed(b"\x1b]0;" + b"y" * LONGEST_STRING + b"\x07visible")
    assert screen.title.startswith("xxx")
    assert screen.display[0].startswith("visible")


def test_nothing_the_program_chose_is_ever_answered() -> None:
    screen = Emulator(80, 24, answering=True)
    screen.feed(
        b"\x1b]0;rm -rf\x07\x1b[21t\x1b[20t\x1bP$qm\x1b\\\x05\x1b]52;c;?\x07\x1b]4;1;?\x07"
        b"\x1b]10;?\x07\x1b[>c\x1b[=c\x1b[?1$p\x1b[>q"
    )
    assert screen.take_replies() == b""


def test_only_three_queries_are_answered_and_only_when_asked_to() -> None:
    screen = Emulator(80, 24)
    screen.feed(b"\x1b[c\x1b[5n\x1b[6n")
    assert screen.take_replies() == b""
    screen.answering = True
    screen.feed(b"\x1b[3;9H\x1b[c\x1b[5n\x1b[6n\x1b[?6n")
    assert screen.take_replies() == b"\x1b[?62;22c\x1b[0n\x1b[3;9R"
    assert screen.take_replies() == b""


def test_events_are_collected_once_and_bounded() -> None:
    screen = Emulator(80, 24)
    screen.feed(b"\x07\x07\x1b]0;one\x07\x1b]2;two\x1b\\\x1b]52;c;aGVsbG8=\x07\x1b]52;c;!!\x07")
    assert screen.take_events() == [Bell(2), TitleChanged("two"), ClipboardWrite("c", "hello")]
    assert screen.take_events() == []


def test_titles_carry_no_control_characters() -> None:
    screen = Emulator(80, 24)
    screen.feed(b"\x1b]0;a\rb\nc\x7fd\x07")
    assert screen.title == "abcd"


def test_can_and_sub_abort() -> None:
    screen = Emulator(20, 1)
    screen.feed(b"\x1b[31\x18a\x1b]0;title\x1ab\x1bPx\x18c")
    assert screen.display[0].rstrip() == "abc"
    assert screen.title == ""


@in_one_test("size", [99_000, 999_000, 1_020_000, 3_000_000])
@in_one_test("piece", [4096, 1 << 20])
def test_what_is_too_much_for_the_clipboard_is_told(size: int, piece: int) -> None:
    screen = Emulator(80, 24)
    data = b"\x1b]52;c;" + base64.b64encode(bytes(size)) + b"\x07after"
    for at in range(0, len(data), piece):
        screen.feed(data[at : at + piece])
    (event,) = screen.take_events()
    assert isinstance(event, ClipboardWrite)
    assert (len(event.text) == size) == (size <= 1_000_000)
    assert event.text or abs(event.size - size) < 20
    assert screen.display[0].startswith("after")


@in_one_test("text", ["", "a", "ab", "abc", "abcd", "漢字é"])
def test_what_is_for_the_clipboard_needs_no_padding(text: str) -> None:
    encoded = base64.b64encode(text.encode()).rstrip(b"=")
    screen = Emulator(20, 4)
    screen.feed(b"\x1b]52;c;" + encoded + b"\x07")
    assert screen.take_events() == [ClipboardWrite("c", text)]


def test_what_is_not_base64_is_nothing_for_the_clipboard() -> None:
    screen = Emulator(20, 4)
    screen.feed(b"\x1b]52;c;YWIxY\x07\x1b]52;c;Y\x07\x1b]52;c;Y=W\x07\x1b]52;c;!\x07")
    assert screen.take_events() == []


@in_one_test("shift", [b"\x1bN", b"\x1bO"])
@in_one_test("before", [b"", b"a", "漢".encode(), "👩\u200d".encode()])
@in_one_test("after", ["\u200d", "\u200d👩", "\u0301", "漢\u200d"])
def test_a_joiner_alone_after_a_single_shift_does_not_stop_the_screen(shift: bytes, before: bytes, after: str) -> None:
    screen = Emulator(10, 2)
    screen.feed(before + shift)
    screen.feed(after.encode())
    screen.feed(b"\r\nend")
    assert screen.display[1].startswith("end")

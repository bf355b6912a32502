"""The other suites' formats, and what a run comes to."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.in_one_test import in_one_test

from conformance import __main__ as program, alacritty, esctest, xterm_js
from conformance.answering import Answering
from conformance.exceptions import as_markdown, differences
from conformance.outcomes import Outcome
from conformance.short_cases import cases
from conformance.verdicts import judge
from omnyshell.terminal.emulator import Emulator

PAGE = Path(__file__).parents[3] / "docs" / "terminal.md"
SUITES = {suite.name for suite in program.SUITES}


def test_pairs_of_input_and_text(tmp_path: Path) -> None:
    place = tmp_path / xterm_js.PLACE
    place.mkdir(parents=True)
    for name, shown in (("right", "one\ntwo \n"), ("wrong", "one\ntoo\n")):
        (place / f"{name}.in").write_bytes(b"one\ntwo")
        (place / f"{name}.text").write_text(shown + "\n" * 24)
    assert list(xterm_js.run(tmp_path)) == [Outcome("right"), Outcome("wrong", "line 2: 'two' for 'too'")]


def cell(text: str = " ", **changed: Any) -> dict[str, Any]:
    plain = {"c": text, "fg": {"Named": "Foreground"}, "bg": {"Named": "Background"}, "flags": "", "extra": None}
    return plain | changed


def grid(*rows: list[dict[str, Any]], zero: int = 0) -> dict[str, Any]:
    stored = [{"inner": row} for row in reversed(rows)]
    stored = stored[-zero:] + stored[:-zero] if zero else stored
    return {"raw": {"inner": stored, "zero": zero, "len": len(stored)}}


def red(text: str) -> dict[str, Any]:
    return cell(text, fg={"Indexed": 1}, flags="BOLD | UNDERCURL")


@pytest.mark.parametrize("zero", [0, 1])
def test_alacrittys_grid_with_its_history(zero: int) -> None:
    screen = Emulator(2, 2, scrollback=5)
    screen.feed("a\r\n漢\r\n\x1b[31;1;4:3mx".encode())
    wide = [cell("漢", flags="WIDE_CHAR"), cell(flags="WIDE_CHAR_SPACER")]
    rows = [[cell("a"), cell()], wide, [red("x"), cell()]]
    assert alacritty.difference(screen, grid(*rows, zero=zero)) == ""
    # Room in the history is no row.
    assert alacritty.difference(screen, grid([cell(), cell()], *rows)) == ""
    assert alacritty.difference(screen, grid([cell("z"), cell()], *rows)) == "3 rows for 4"
    rows[2] = [cell("x"), cell()]
    assert alacritty.difference(screen, grid(*rows)).startswith("row 3 of 3, column 1: ")


def test_colours_marks_and_links_of_alacritty() -> None:
    screen = Emulator(3, 1)
    screen.feed(b"\x1b[38;2;1;2;3;48;5;4;58:5:9me\xcc\x81\x1b[m\x1b]8;id=7;http://a/\x1b\\l\x1b]8;;\x1b\\\t")
    link = {"inner": {"id": "7", "uri": "http://a/"}}
    mark = {"zerowidth": ["\u0301"], "underline_color": {"Indexed": 9}, "hyperlink": None}
    first = cell("e", fg={"Spec": {"r": 1, "g": 2, "b": 3}}, bg={"Named": "Blue"}, extra=mark)
    second = cell("l", extra={"zerowidth": [], "underline_color": None, "hyperlink": link})
    assert alacritty.difference(screen, grid([first, second, cell("\t")])) == ""


def test_a_reference_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    for name in ("whole", "part"):
        place = tmp_path / alacritty.PLACE / name
        place.mkdir(parents=True)
        (place / "alacritty.recording").write_bytes(b"a")
        (place / "size.json").write_text('{"columns": 2, "screen_lines": 1}')
        (place / "config.json").write_text('{"history_size": 0}')
    (tmp_path / alacritty.PLACE / "whole" / "grid.json").write_text(json.dumps(grid([cell("a"), cell()])))
    assert list(alacritty.run(tmp_path)) == [Outcome("whole")]


def test_the_log_of_esctest2() -> None:
    log = (
        "Run test: ATests.test_A_one\nPassed.\n\nRun test: ATests.test_A_two\nFails as expected: bug\n\n"
        "Run test: ATests.test_A_three\n*** TEST ATests.test_A_three FAILED:\nTraceback\n"
        "esctypes.TestFailure: Test failed: expected '1'\n\nRun test: BTests.test_B\nSkipped because\n\n"
        "Run test: BTests.test_C\n*** TEST BTests.test_C FAILED:\nesctypes.InternalError: Should have failed: so\n\n"
        "Run test: BTests.test_D\n"
    )
    assert list(esctest.outcomes_of(log)) == [
        Outcome("ATests:A_one"),
        Outcome("ATests:A_three", "Test failed: expected '1'"),
        Outcome("BTests:C"),
        Outcome("BTests:D", "it did not end"),
    ]


PROGRAM = """
import argparse, os, sys, tty
parser = argparse.ArgumentParser()
parser.add_argument("--logfile")
log = parser.parse_known_args()[0].logfile
tty.setraw(0)
os.write(1, b"ab\\x1b[6n")
answer = b""
while not answer.endswith(b"R"):
    answer += os.read(0, 1)
with open(log, "w") as file:
    file.write("Run test: T.test_T\\n" + ("Passed.\\n" if answer == b"\\x1b[1;3R" else f"E: {answer}\\n"))
"""


def test_esctest2_is_run_as_a_program_in_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "esctest").mkdir()
    (tmp_path / esctest.PLACE).write_text(PROGRAM)
    assert list(esctest.run(tmp_path)) == [Outcome("T:T")]


@in_one_test(
    ("output", "answer"),
    [
        ("\x1b[3;4H\x1b[?6n", "\x1b[?3;4;1R"),
        ("\x1b[2;5r\x1b[?6h\x1b[2;2H\x1b[?6n", "\x1b[?2;2;1R"),
        ("\x1b[?7$p\x1b[4$p\x1b[?1049$p", "\x1b[?7;1$y\x1b[4;2$y\x1b[?1049;2$y"),
        ("ab\x1b[1;1;1;1;1;2*y", "\x1bP1!~00C3\x1b\\"),
        ("\x1b[18t", "\x1b[8;6;20t"),
        ("\x1b[8;7;30t\x1b[18t", "\x1b[8;7;30t"),
        ("\x1b[?40h\x1b[?3h\x1b[18t", "\x1b[8;6;132t"),
        ("\x1b[?40h\x1b[?3h\x1bc\x1b[18t", "\x1b[8;6;80t"),
        ("\x1b]0;t\x07\x1b[21t\x1b[20t", "\x1b]lt\x1b\\\x1b]Lt\x1b\\"),
        ("\x1b]4;1;#abc\x07\x1b]4;1;?\x07", "\x1b]4;1;rgb:a0a0/b0b0/c0c0\x1b\\"),
        ("\x1b]11;rgb:1/23/456\x07\x1b]11;?\x07", "\x1b]11;rgb:1010/2323/4545\x1b\\"),
        ("\x1b[1;31m\x1bP$qm\x1b\\", "\x1bP1$r0;1;31m\x1b\\"),
        ("\x1b[2;4r\x1bP$qr\x1b\\", "\x1bP1$r2;4r\x1b\\"),
        ("\x1bP$q?\x1b\\", "\x1bP0$r\x1b\\"),
        ("\x1b[>c\x1b[?26n\x1b[13t", ""),
    ],
)
def test_answers_come_from_what_the_emulator_has(output: str, answer: str) -> None:
    terminal = Answering(20, 6)
    assert terminal.feed(output.encode()).decode() == answer
    bytewise = Answering(20, 6)
    assert b"".join(bytewise.feed(bytes((byte,))) for byte in output.encode()).decode() == answer


def test_a_run_fails_for_what_is_not_declared_and_for_what_is_declared_and_passes() -> None:
    outcomes = [Outcome("a"), Outcome("b", "wrong"), Outcome("c", "wrong"), Outcome("d"), Outcome("b")]
    verdict = judge(outcomes, {"c", "d", "e"})
    assert (verdict.passed, verdict.declared, verdict.failed) == (2, 1, [Outcome("b", "wrong")])
    assert (verdict.mended, verdict.absent, verdict.is_good) == (["d"], ["e"], False)
    assert judge(outcomes, {"b", "c"}).is_good
    assert not judge(outcomes, {"b"}).is_good


def test_suites_that_are_not_there_are_named_with_where_they_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "xterm.js" / xterm_js.PLACE
    place.mkdir(parents=True)
    (place / "mine.in").write_bytes(b"x")
    (place / "mine.text").write_text("x")
    assert program.main([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for fetched in ("esctest2: not in", "git clone https://github.com/neovim/libvterm", "npm install"):
        assert fetched in printed
    assert "xterm.js: 1 cases, 1 pass, 0 differ as declared, 0 fail" in printed
    (place / "mine.text").write_text("y")
    assert program.main([str(tmp_path), "xterm.js"]) == 1
    assert "  mine: line 1: 'x' for 'y'" in capsys.readouterr().out
    assert program.main([str(tmp_path), "libvterm"]) == 2
    assert program.main([]) == 2


def test_what_differs_is_declared_once_with_a_reason() -> None:
    declared = differences()
    assert {one.suite for one in declared} <= SUITES
    assert all(one.what and one.why and one.cases for one in declared)
    named = [(one.suite, case) for one in declared for case in one.cases]
    assert len(named) == len(set(named))
    ours = {f"{reference}:{name}" for name, _ in cases() for reference in ("xterm.js", "tmux")}
    assert {case for suite, case in named if suite == "comparison"} <= ours


def test_the_document_has_the_table_and_the_table_every_case() -> None:
    table = as_markdown()
    before, start, rest = PAGE.read_text(encoding="utf-8").partition("<!-- differences -->\n\n")
    assert start
    wanted = f"{before}{start}{table}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
    if "OMNYSHELL_UPDATE_DOCS" in os.environ:
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted, "`make docs-tables` writes it anew"
    assert all(f"`{case.rpartition(':')[2]}`" in table for one in differences() for case in one.cases)
    assert len(list(cases())) >= 300

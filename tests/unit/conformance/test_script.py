"""The language of libvterm's scripts, read and played."""

import pytest
from support.in_one_test import in_one_test

from conformance.libvterm.player import Player
from conformance.libvterm.script import perl_bytes, steps_of


@in_one_test(
    ("expression", "value"),
    [
        (r'"ab\e[1m"', b"ab\x1b[1m"),
        (r'"\x{9b}\x41\"\$\\"', b'\x9bA"$\\'),
        ('"ab"x3', b"ababab"),
        ('"a" . "b" x 2 . "c"', b"abbc"),
        ('("a" . "b") x 2', b"abab"),
    ],
)
def test_perl_strings(expression: str, value: bytes) -> None:
    assert perl_bytes(expression) == value


@in_one_test("expression", ["", "ab", '"a" x "b"', '"a" "b"', '("a"', "5"])
def test_what_is_no_string_is_said_to_be_none(expression: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the expression is all there is to say
        perl_bytes(expression)


def test_lines_are_repeated_and_counted_up_to_the_end() -> None:
    steps = steps_of('INIT\n# a remark\n!a title\n$REP 2: PUSH "x"\n$SEQ 3 4: ?screen_row \\# = "y"\n__END__\nPUSH "z"')
    assert [step.name for step in steps] == ["INIT", "PUSH", "PUSH"]
    assert [line.text for line in steps[-1].expected] == ['?screen_row 3 = "y"', '?screen_row 4 = "y"']
    assert {line.number for line in steps[-1].expected} == {5}


def problems(script: str) -> dict[str, bool]:
    return {case: bool(problem) for case, problem in Player().play(script)}


@in_one_test(
    ("right", "wrong"),
    [
        ("?cursor = 0,5", "?cursor = 0,4"),
        ('?screen_row 0 = "hello"', '?screen_row 0 = "hallo"'),
        ('?screen_chars 0,1,1,3 = "el"', '?screen_chars 0,1,1,3 = "he"'),
        ("?screen_text 0,0,1,80 = 0x68,0x65,0x6c,0x6c,0x6f", "?screen_text 0,0,1,80 = 0x68"),
        ("?screen_eol 0,5 = 1", "?screen_eol 0,4 = 1"),
        ("?pen bold = on", "?pen bold = off"),
        ("?pen underline = 0", "?pen underline = 1"),
        ("?pen foreground = idx(1)", "?pen foreground = idx(2)"),
        ("?pen background = rgb(0,0,0,is_default_bg)", "?pen background = idx(0)"),
        (
            "?screen_cell 0,0 = {0x68} width=1 attrs={B} fg=rgb(9,9,9) bg=rgb(0,0,0)",
            "?screen_cell 0,0 = {0x68} width=1 attrs={I} fg=rgb(9,9,9) bg=rgb(0,0,0)",
        ),
        ("?lineinfo 0 =", "?lineinfo 0 = cont"),
        ("putglyph 0x68 1 0,0", "putglyph 0x69 1 0,0"),
        ("movecursor 0,5", "movecursor 1,5"),
        ("settermprop 1 true", "settermprop 1 false"),
        ("settermprop 3 false", "settermprop 3 true"),
    ],
)
def test_what_a_script_says_of_the_screen_is_held_against_it(right: str, wrong: str) -> None:
    script = 'PUSH "\\e[1;31mhello"\n'
    assert problems(script + right) == {"2": False}
    assert problems(script + wrong) == {"2": True}


@in_one_test("line", ["scrollrect 0..1,0..80 => +0,-1", "erase 0..25,0..80", "damage 0..1,0..5", "text 0x41"])
def test_calls_within_libvterm_are_not_judged(line: str) -> None:
    assert problems(f'PUSH "x"\n{line}') == {}


def test_a_character_is_found_though_a_later_one_replaces_it() -> None:
    assert problems('PUSH "a\\rb"\nputglyph 0x61 1 0,0\nputglyph 0x62 1 0,0\nputglyph 0x63 1 0,0') == {
        "2": False,
        "3": False,
        "4": True,
    }


def test_keys_and_mouse_and_answers() -> None:
    script = (
        'INKEY 0 Up\noutput "\\e[A"\nINCHAR C 61\noutput "\\x01"\nPUSH "\\e[?1000h\\e[?1006h\\e[?2004h\\e[?1004h"\n'
        'MOUSEMOVE 2,3 0\nMOUSEBTN d 1 C\noutput "\\e[<16;4;3M"\n'
        'PASTE START\noutput "\\e[200~"\nFOCUS IN\noutput "\\e[I"\n'
        'PUSH "\\e[6n"\noutput "\\e[1;1R"\nPUSH "\\e[?1000\\$p"\noutput "\\e[?1000;1\\$y"'
    )
    found = problems(script)
    assert len(found) == 7
    assert not any(found.values())


def test_bytes_are_characters_of_their_own_unless_a_script_asks_for_utf_8() -> None:
    assert problems('PUSH "\\xe1"\nputglyph 0xe1 1 0,0\nUTF8 1\nPUSH "\\xc3\\xa1"\nputglyph 0xe1 1 0,1') == {
        "2": False,
        "5": False,
    }


def test_decoded_characters_and_those_that_are_cut() -> None:
    assert problems('ENCIN "\\xc3"\nENCIN "\\xa1b"\nencout 0xe1,0x62\nENCIN "c"\nencout 0x64') == {
        "3": False,
        "5": True,
    }


def test_rows_that_scrolled_off_are_looked_for_in_the_history() -> None:
    script = 'RESIZE 2,10\nPUSH "top\\r\\nmiddle\\r\\nend"\nsb_pushline 10 = 74 6F 70\nsb_pushline 10 = 78'
    assert problems(script) == {"3": False, "4": True}


def test_double_width_and_continued_rows() -> None:
    script = 'RESIZE 3,10\nPUSH "\\e#6a"\nputglyph 0x61 1 0,0 dwl\n?lineinfo 0 = dwl\n'
    script += 'PUSH "\\r\\n0123456789x"\n?lineinfo 2 = cont'
    assert problems(script) == {"3": False, "4": False, "6": False}

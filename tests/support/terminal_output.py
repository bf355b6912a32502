"""Terminal output for property tests: mostly well-formed, with the odd broken or hostile piece in between."""

from hypothesis import strategies as st

PRIVATE_MODES = (1, 3, 5, 6, 6, 7, 9, 12, 25, 40, 45, 45, 47, 66, 69, 69, 69)
MOUSE_MODES = (1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016)
SCREEN_MODES = (1045, 1047, 1048, 1049, 2004, 2026, 2027, 2027, 2031, 2048, 4711)

_words = st.sampled_from(
    [
        "a",
        "hello",
        " ",
        "x" * 9,
        "q" * 30,
        "é",
        "漢字",
        "한",
        "😀",
        "👩\u200d🔬",
        "e\u0301",
        "\u0301",
        "\u200d",
        "❤\ufe0f",
        "👍🏽",
        "🇩🇪",
        "🇫",
        "1\ufe0f\u20e3",
        "\ufe0f",
        "🏽",
        "☝",
        "का",
        "\u1100",
        "\u1161",
        "\u0600",
        "ශ්\u200dරී",
        "~{|}",
    ]
).map(str.encode)
_controls = st.sampled_from([b"\r\n", b"\n", b"\r", b"\t", b"\b", b"\x0e", b"\x0f", b"\x0b", b"\x07", b"\x00", b"\x7f"])
_number = st.one_of(st.integers(0, 12).map(str), st.sampled_from(["", "99999", "4:3"]))
_params = st.lists(_number, max_size=3).map(";".join)
_csi = st.builds(
    lambda params, final: f"\x1b[{params}{final}".encode(),
    _params,
    st.sampled_from("ABCDEFGHIJKLMPSTXZ`abcdefgjknrsu@"),
)
_colours = st.sampled_from(
    ["38;5;9", "48;5;200", "38;2;1;2;3", "48:2::9:8:7", "58:5:3", "4:3", "107", "31;44", "0", ""]
)
_sgr = st.one_of(_colours, st.integers(0, 110).map(str)).map(lambda params: f"\x1b[{params}m".encode())
_modes = st.builds(
    lambda mode, letter: f"\x1b[?{mode}{letter}".encode(),
    st.sampled_from(PRIVATE_MODES + MOUSE_MODES + SCREEN_MODES),
    st.sampled_from("hhhlllsr"),
)
_margins = st.builds(
    lambda left, right: f"\x1b[?69h\x1b[{left};{right}s".encode(), st.integers(0, 8), st.integers(0, 14)
)
_shifts = st.builds(
    lambda count, final: f"\x1b[{count}{final}".encode(),
    st.integers(0, 4),
    st.sampled_from([" @", " A", "'}", "'~"]),
)
_place = st.integers(0, 9)
_rectangle = st.builds(
    lambda top, left, height, width: f"{top};{left};{top + height};{left + width}", _place, _place, _place, _place
)
_rectangles = st.builds(
    lambda bounds, form: f"\x1b[{form.format(bounds)}".encode(),
    _rectangle,
    st.sampled_from(
        [
            "65;{}$x",
            "9552;{}$x",
            "{}$z",
            "{}${{",
            "{};1;2;3$v",
            "{};1;4;4$v",
            "{};1;7$r",
            "{};0$r",
            "{};22;24$r",
            "{};0$t",
        ]
    ),
)
_protected = st.sampled_from(
    [b'\x1b[1"q', b'\x1b[0"q', b"\x1bV", b"\x1bW", b"\x1b[?K", b"\x1b[?1K", b"\x1b[?2K", b"\x1b[?J", b"\x1b[?2J"]
)
_region = st.builds(lambda top, bottom: f"\x1b[{top};{bottom}r".encode(), st.integers(0, 8), st.integers(0, 10))
_fixed = st.sampled_from(
    [
        b"\x1b7",
        b"\x1b8",
        b"\x1bM",
        b"\x1bD",
        b"\x1bE",
        b"\x1bH",
        b"\x1b=",
        b"\x1b>",
        b"\x1b(0",
        b"\x1b)0",
        b"\x1b(B",
        b"\x1b#8",
        b"\x1b#3",
        b"\x1b#5",
        b"\x1b#6",
        b'\x1b[62;1"p',
        b"\x1b[!p",
        b"\x1b[4h",
        b"\x1b[4l",
        b"\x1b[20h",
        b"\x1b[20l",
        b"\x1b[3 q",
        b"\x1b[>4;2m",
        b"\x1b[>5u",
        b"\x1b[<u",
        b"\x1b[=3;2u",
        b"\x1b]0;a title\x07",
        b"\x1b]2;\x1b\\",
        b"\x1b]1;an icon\x07",
        b"\x1b[>0t",
        b"\x1b]0;6162\x07",
        b"\x1b[22;0t",
        b"\x1b[22;1t",
        b"\x1b[23;0t",
        b"\x1b[23;2t",
        b"\x1bc",
        b"\x1bn",
        b"\x1b*0",
        b"\x1bN",
        b"\x1bO",
        b"\x1b|",
        b"\x1b6",
        b"\x1b9",
        b"\x1b[2*x",
        b"\x1b]4;1;red\x07",
        b"\x1b]11;rgb:0/0/0\x07",
        b"\x1b]104\x07",
        b"\x1b]22;text\x07",
        b"\x1b]52;c;YWI\x07",
        b"\x1bktitle\x1b\\",
        b"\x1b]P1ff0000",
        b"\x1b]R",
        b"\x1b]8;;https://example.org/\x1b\\",
        b"\x1b]8;;\x07",
        b"\x1b]52;c;aGVsbG8=\x07",
        b"\x1bP+q544e\x1b\\",
        b"\x1b_x\x1b\\",
    ]
)
_odd = st.sampled_from(
    [
        b"\x1b",
        b"\x1b[",
        b"\x1b[3",
        b"\x1b[3\n1m",
        b"\x1b\r[1m",
        b"\x18",
        b"\x1a",
        b"\x1b[1\x18",
        b"\x1b[>",
        b"\x1b]0;",
        b"\x1bP",
        b"\x1b[0<1m",
        b"\x1b[ 1m",
        b"\x1b(",
        b"\x1b[?;h",
        b"\xff",
        b"\xe6\xbc",
        b"\xc2\x9b",
        b"\xc2\x9d2;t\xc2\x9c",
        b"\x1b[1\xc3\xa9m",
        b"\x1b[999999999b",
        b"\x1b[99999999999999999999A",
        b"\x1b[" + b"1;" * 60 + b"m",
    ]
)

pieces = st.one_of(
    *(_words, _words, _csi, _csi, _controls, _controls, _sgr, _modes, _region, _fixed, _odd),
    *(_margins, _shifts, _rectangles, _protected),
)
output = st.lists(pieces, max_size=40).map(b"".join)
soup = st.one_of(output, st.binary(max_size=200))

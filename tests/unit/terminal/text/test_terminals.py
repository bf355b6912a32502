"""Which terminal counts columns how."""

from support.in_one_test import in_one_test

from omnyshell.model.sessions import Widths
from omnyshell.services.node.sessions.terminal_names import answered_widths
from omnyshell.terminal.text.terminals import version_widths, widths_here, widths_of

SEPARATE, JOINED, CLUSTERS = Widths


@in_one_test(
    ("term", "program", "widths"),
    [
        ("xterm-256color", "", SEPARATE),
        ("xterm", "", SEPARATE),
        ("vte-256color", "", SEPARATE),
        ("alacritty", "", SEPARATE),
        ("rxvt-unicode-256color", "", SEPARATE),
        ("linux", "", SEPARATE),
        ("xterm-256color", "vscode", SEPARATE),
        ("xterm-256color", "Apple_Terminal", SEPARATE),
        ("xterm-256color", "a new one", SEPARATE),
        ("xterm-kitty", "", CLUSTERS),
        ("xterm-ghostty", "ghostty", CLUSTERS),
        ("foot", "", CLUSTERS),
        ("xterm-256color", "WezTerm", CLUSTERS),
        ("xterm-256color", "ghostty", CLUSTERS),
        ("xterm-256color", "iTerm.app", CLUSTERS),
        ("xterm-256color", "iTerm2", CLUSTERS),
        ("tmux-256color", "tmux", JOINED),
        ("screen-256color", "WezTerm", JOINED),
        ("screen.xterm-kitty", "", JOINED),
        ("xterm-256color", "tmux", JOINED),
        ("ansi", "", JOINED),
        ("", "", JOINED),
        ("xterm\x1b[2J-kitty;", "\x00\x1b", CLUSTERS),
    ],
)
def test_by_name(term: str, program: str, widths: Widths) -> None:
    assert widths_of(term, program) == widths
    assert widths_here({"TERM": term, "TERM_PROGRAM": program}) == widths


def test_a_name_that_came_over_ssh_counts() -> None:
    assert widths_here({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}) is CLUSTERS
    assert widths_here({"TERM": "screen-256color", "LC_TERMINAL": "iTerm2"}) is JOINED
    assert widths_here({}) is JOINED


@in_one_test(
    ("answer", "widths"),
    [
        ("kitty(0.36.4)", CLUSTERS),
        ("WezTerm 20240203-110809-5046fc22", CLUSTERS),
        ("ghostty 1.1.0", CLUSTERS),
        ("iTerm2 3.5.0", CLUSTERS),
        ("XTerm(390)", SEPARATE),
        ("VTE(7600)", SEPARATE),
        ("xterm.js(5.5.0)", SEPARATE),
        ("tmux 3.4", JOINED),
        ("another 1.0", None),
        ("", None),
    ],
)
def test_by_what_it_answers(answer: str, widths: Widths | None) -> None:
    assert version_widths(answer) == widths
    typed = f"ls\x1bP>|{answer}\x1b\\\r".encode()
    assert answered_widths(typed) == widths


@in_one_test(
    "typed",
    [
        b"kitty(0.36)",
        b"\x1bP>|kitty(0.36)",
        b"\x1bP>|kitty\x07\x1b\\",
        b"\x1bP>|" + b"k" * 65 + b"\x1b\\",
        b"x" * 5000 + b"\x1bP>|kitty(0.36)\x1b\\",
        b"\x1bP1$r0m\x1b\\",
    ],
)
def test_nothing_else_is_an_answer(typed: bytes) -> None:
    assert answered_widths(typed) is None

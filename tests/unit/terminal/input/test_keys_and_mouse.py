"""Keys, paste, focus and mouse as bytes."""

import pytest
from support.in_one_test import in_one_test

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.input.keys import encode_focus, encode_key, encode_paste
from omnyshell.terminal.input.mouse import MouseAction, MouseButton, MouseEvent, encode_mouse, wants_mouse


def modes_after(output: bytes) -> set[int]:
    screen = Emulator(80, 24)
    screen.feed(output)
    return screen.mode


@in_one_test(
    ("key", "sent"),
    [
        ("a", b"a"),
        ("A", b"A"),
        ("é", "é".encode()),
        ("+", b"+"),
        ("enter", b"\r"),
        ("tab", b"\t"),
        ("escape", b"\x1b"),
        ("backspace", b"\x7f"),
        ("space", b" "),
        ("ctrl+c", b"\x03"),
        ("ctrl+q", b"\x11"),
        ("ctrl+space", b"\x00"),
        ("ctrl+at", b"\x00"),
        ("ctrl+left_square_bracket", b"\x1b"),
        ("ctrl+backslash", b"\x1c"),
        ("ctrl+underscore", b"\x1f"),
        ("ctrl+right_square_bracket", b"\x1d"),
        ("ctrl+circumflex_accent", b"\x1e"),
        ("ctrl+slash", b"\x1f"),
        ("alt+x", b"\x1bx"),
        ("alt+enter", b"\x1b\r"),
        ("alt+ctrl+c", b"\x1b\x03"),
        ("shift+tab", b"\x1b[Z"),
        ("up", b"\x1b[A"),
        ("home", b"\x1b[H"),
        ("ctrl+left", b"\x1b[1;5D"),
        ("shift+up", b"\x1b[1;2A"),
        ("ctrl+shift+end", b"\x1b[1;6F"),
        ("alt+right", b"\x1b[1;3C"),
        ("delete", b"\x1b[3~"),
        ("ctrl+pageup", b"\x1b[5;5~"),
        ("f1", b"\x1bOP"),
        ("shift+f1", b"\x1b[1;2P"),
        ("f5", b"\x1b[15~"),
        ("f12", b"\x1b[24~"),
        ("ctrl+f5", b"\x1b[15;5~"),
        ("minus", b"-"),
        ("left_curly_bracket", b"{"),
        ("ctrl+plus", b"+"),
        ("kp_5", b"5"),
        ("volume_up", b""),
    ],
)
def test_keys(key: str, sent: bytes) -> None:
    assert encode_key(key, modes_after(b"")) == sent


def test_application_modes_change_what_keys_send() -> None:
    modes = modes_after(b"\x1b[?1h\x1b=")
    assert encode_key("up", modes) == b"\x1bOA"
    assert encode_key("end", modes) == b"\x1bOF"
    assert encode_key("ctrl+up", modes) == b"\x1b[1;5A"
    assert encode_key("kp_5", modes) == b"\x1bOu"
    assert encode_key("kp_enter", modes) == b"\x1bOM"


@in_one_test(("key", "sent"), [("enter", b"\r\n"), ("alt+enter", b"\x1b\r"), ("ctrl+m", b"\r"), ("tab", b"\t")])
def test_enter_goes_to_a_new_line_where_a_program_asks_for_it(key: str, sent: bytes) -> None:
    assert encode_key(key, modes_after(b"\x1b[20h")) == sent


def test_an_unnamed_key_sends_its_character() -> None:
    assert encode_key("section_sign", set(), "§") == "§".encode()


def test_paste_cannot_leave_its_brackets() -> None:
    modes = modes_after(b"\x1b[?2004h")
    assert encode_paste("a\nb", modes) == b"\x1b[200~a\rb\x1b[201~"
    assert encode_paste("x\x1b[20\x1b[201~1~rm\n", modes) == b"\x1b[200~xrm\r\x1b[201~"
    assert encode_paste("a\r\nb", set()) == b"a\rb"


def test_focus_is_told_only_when_asked() -> None:
    assert encode_focus(gained=True, modes=set()) == b""
    assert encode_focus(gained=True, modes=modes_after(b"\x1b[?1004h")) == b"\x1b[I"
    assert encode_focus(gained=False, modes=modes_after(b"\x1b[?1004h")) == b"\x1b[O"


PRESS = MouseEvent(MouseAction.PRESS, MouseButton.LEFT, 4, 2)
RELEASE = MouseEvent(MouseAction.RELEASE, MouseButton.LEFT, 4, 2)
DRAG = MouseEvent(MouseAction.MOVE, MouseButton.LEFT, 5, 2)
HOVER = MouseEvent(MouseAction.MOVE, MouseButton.NONE, 5, 2)
WHEEL = MouseEvent(MouseAction.PRESS, MouseButton.WHEEL_UP, 0, 0, ctrl=True)


@in_one_test(
    ("output", "event", "sent"),
    [
        (b"", PRESS, b""),
        (b"\x1b[?9h", PRESS, b"\x1b[M %#"),
        (b"\x1b[?9h", RELEASE, b""),
        (b"\x1b[?1000h", PRESS, b"\x1b[M %#"),
        (b"\x1b[?1000h", RELEASE, b"\x1b[M#%#"),
        (b"\x1b[?1000h", DRAG, b""),
        (b"\x1b[?1002h", DRAG, b"\x1b[M@&#"),
        (b"\x1b[?1002h", HOVER, b""),
        (b"\x1b[?1003h", HOVER, b"\x1b[MC&#"),
        (b"\x1b[?1000h\x1b[?1006h", PRESS, b"\x1b[<0;5;3M"),
        (b"\x1b[?1000h\x1b[?1006h", RELEASE, b"\x1b[<0;5;3m"),
        (b"\x1b[?1000h\x1b[?1006h", WHEEL, b"\x1b[<80;1;1M"),
        (b"\x1b[?1003h\x1b[?1006h", HOVER, b"\x1b[<35;6;3M"),
        (b"\x1b[?1000h\x1b[?1015h", PRESS, b"\x1b[32;5;3M"),
        (b"\x1b[?1000h\x1b[?1015h", RELEASE, b"\x1b[35;5;3M"),
        (b"\x1b[?1000h", MouseEvent(MouseAction.PRESS, MouseButton.LEFT, 300, 1), b""),
        (b"\x1b[?1000h\x1b[?1005h", MouseEvent(MouseAction.PRESS, MouseButton.LEFT, 300, 1), b'\x1b[M \xc5\x8d"'),
        (b"\x1b[?1000h\x1b[?1006h\x1b[?1000l", PRESS, b""),
    ],
)
def test_mouse(output: bytes, event: MouseEvent, sent: bytes) -> None:
    modes = modes_after(output)
    assert encode_mouse(event, modes) == sent
    assert not sent or wants_mouse(modes)


@pytest.mark.parametrize(("x", "y"), [(-3, 4), (3, -4), (-3, -4)])
def test_a_drag_out_of_the_window_is_at_its_edge(x: int, y: int) -> None:
    event = MouseEvent(MouseAction.MOVE, MouseButton.LEFT, x, y)
    column, line = max(x, 0) + 1, max(y, 0) + 1
    assert encode_mouse(event, {1002 << 5, 1006 << 5}) == f"\x1b[<32;{column};{line}M".encode()
    assert encode_mouse(event, {1002 << 5}) == bytes((0x1B, 0x5B, 0x4D, 64, 32 + column, 32 + line))

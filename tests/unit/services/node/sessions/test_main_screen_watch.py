"""The return to the main screen, in whichever chunks the output comes."""

from support.in_one_test import in_one_test

from omnyshell.services.node.sessions.output import MainScreenWatch


@in_one_test("leave", [b"\x1b[?1049l", b"\x1b[?47l", b"\x1b[?1047l", b"\x1b[?25;1049l"])
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

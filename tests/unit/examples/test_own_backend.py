"""The example of a backend keeps the contracts of `ShellSession` and `OutputSink`, without a node."""

from support.in_one_test import in_one_test

from examples.own_backend import LONGEST_LINE, Kettle, KettleSession
from omnyshell import DataOpcode


class Sink:
    """Takes so many bytes, and notes what it hears."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.printed = b""
        self.taken = 0
        self.ends: list[tuple[int, str | None]] = []

    def budget(self) -> int:
        return self.room

    def output(self, stream: DataOpcode, data: bytes) -> None:
        assert stream is DataOpcode.STDOUT
        assert 0 < len(data) <= self.room
        assert not self.ends
        self.room -= len(data)
        self.printed += data

    def input_taken(self, size: int) -> None:
        self.taken += size

    def exited(self, exit_code: int, signal_name: str | None) -> None:
        self.ends.append((exit_code, signal_name))


def test_nothing_is_printed_beyond_the_budget_and_nothing_lost() -> None:
    sink = Sink(0)
    session = KettleSession(Kettle(), "status\nheat 30", sink)
    session.resume_output()
    while not sink.ends:
        before = len(sink.printed)
        sink.room = 3
        session.resume_output()
        assert len(sink.printed) - before <= 3
    assert sink.printed.decode() == "20 °C\n30 °C\n"
    assert (sink.taken, sink.ends) == (0, [(0, None)])


@in_one_test("size", [1, 2, 5, 100])
def test_input_is_taken_with_its_answer_over_any_chunking(size: int) -> None:
    sink = Sink(1000)
    session = KettleSession(Kettle(), None, sink)
    text = b"heat 40\nboil\nstatus"
    for start in range(0, len(text), size):
        session.write(text[start : start + size])
        assert sink.taken == text[: start + size].rfind(b"\n") + 1
    session.eof()
    session.write(b"late")
    assert sink.printed.decode() == "40 °C\nno such command\n40 °C\n"
    assert (sink.taken, sink.ends) == (len(text) + len(b"late"), [(0, None)])


def test_a_client_that_sends_no_line_end_is_not_kept_for_ever() -> None:
    sink = Sink(1000)
    session = KettleSession(Kettle(), None, sink)
    session.write(b"x" * (LONGEST_LINE + 1))
    session.kill()
    assert sink.ends == [(-15, "SIGTERM")]

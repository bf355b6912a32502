"""esctest2, run as the program that it is, under a terminal of ours.

It asks the terminal what it shows. What the emulator follows, `Answering` answers; what it does not answer, esctest2
waits for in vain, which is a failure.
"""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from conformance.answering import Answering
from conformance.outcomes import Outcome

PLACE: Final = "esctest/esctest.py"
COLUMNS, LINES = 80, 25
PATIENCE: Final = 0.2
"""Seconds that an answer may take."""

LONGEST: Final = 900
"""Seconds that the whole suite may take."""

_ARGUMENTS: Final = (
    *("--expected-terminal", "xterm", "--max-vt-level", "5", "--no-print-logs"),
    *("--xterm-checksum", "399", "--xterm-reverse-wrap", "400", "--timeout", str(PATIENCE)),
)
_TEST: Final = re.compile(r"^Run test: (\S+)$", re.MULTILINE)
_KNOWN: Final = ("Fails as expected", "Skipped")
_PASSED_BEYOND_XTERM: Final = "Should have failed"
"""A test whose assertions hold though xterm is known to fail it, which esctest2 takes for an error."""

_CAUSE: Final = re.compile(r"^\w[\w.]*: (.*)$", re.MULTILINE)


def run(folder: Path, include: str = ".") -> Iterator[Outcome]:
    """Yield an outcome for each test that is no known bug of xterm."""
    with tempfile.TemporaryDirectory() as logs:
        log = Path(logs, "log")
        _play([sys.executable, str(folder / PLACE), *_ARGUMENTS, "--include", include, "--logfile", str(log)])
        yield from outcomes_of(log.read_text(encoding="utf-8", errors="replace"))


def outcomes_of(log: str) -> Iterator[Outcome]:
    """Read esctest2's own log."""
    found = list(_TEST.finditer(log))
    for test, after in zip(found, [*found[1:], None], strict=True):
        told = log[test.end() : after.start() if after else len(log)]
        name = test[1].replace(".test_", ":")
        if "\nPassed." in told or _PASSED_BEYOND_XTERM in told:
            yield Outcome(name)
        elif not any(f"\n{word}" in told for word in _KNOWN):
            causes = _CAUSE.findall(told)
            yield Outcome(name, (causes[-1] if causes else told.strip())[:200] or "it did not end")


def _play(command: list[str]) -> None:
    """Run a program in a terminal until it ends; raises TimeoutError where it takes too long."""
    terminal = Answering(COLUMNS, LINES)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as program:
        os.close(theirs)
        try:
            _answer(ours, terminal)
        finally:
            os.close(ours)
            program.kill()


def _answer(descriptor: int, terminal: Answering) -> None:
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        if not select.select([descriptor], [], [], 5)[0]:
            continue
        data = b""
        with suppress(OSError):  # the program has ended
            data = os.read(descriptor, 65536)
        if not data:
            return
        if answers := terminal.feed(data):
            os.write(descriptor, answers)
    raise TimeoutError(f"esctest2 took longer than {LONGEST} seconds")

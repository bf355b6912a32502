"""Programs that redraw their whole screen without pause, through hub and node: `python -m bench.full_screen`.

The node follows each such session with its emulator, which is what bounds it. The figure is the best of three runs of
three seconds, at 120x40. `ssh -tt` shows what the program itself can write.
"""

import fcntl
import os
import pty
import struct
import subprocess
import tempfile
import termios
import time
import tty
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.peers import hub_with_node, open_ssh

ROUNDS, SECONDS = 3, 3.0

FRAMES = {
    "a dashboard: 40 rows, each of one colour that changes": (
        'my $s="\\e[H"; for my $r (1..40) { $s.="\\e[$r;1H\\e[38;5;".(($r+$i)%256)."m";'
        ' $s.=sprintf("%08d",$i+$r) for 1..15; } print $s;'
    ),
    "a pager: clear, and 39 lines of text": (
        'my $s="\\e[H\\e[2J"; for my $r (1..39) { $s.="\\e[32m"; $s.="line $i $r " x 8; $s.="\\e[0m\\r\\n"; } print $s;'
    ),
    "a colour for each cell": (
        'my $s="\\e[H"; for my $r (1..24) { $s.="\\e[$r;1H";'
        ' for (1..80) { $s.="\\e[38;5;".(($r+$i+$_)%256)."mX"; } } print $s;'
    ),
}


def main() -> None:
    """Measure each kind of screen."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        directory = Path(scratch)
        directory.chmod(0o755)
        hub = stack.enter_context(hub_with_node(directory))
        ssh = stack.enter_context(open_ssh(directory))
        print(f"{os.cpu_count()} cores")
        for title, frame in FRAMES.items():
            program = f"exec perl -e 'while (1) {{ $i++; {frame} }}'"
            ours = best(hub.omnyshell("connect", "n1", "--", program), hub.env)
            bare = best(ssh.direct("-tt", program), dict(os.environ))
            print(f"{title}: {ours:.1f} MB/s, ssh -tt {bare:.1f} (goal >= 5)")


def best(command: Sequence[str], env: dict[str, str]) -> float:
    """Megabytes a second that come out of the command's terminal."""
    return max(measure(command, env) for _ in range(ROUNDS))


def measure(command: Sequence[str], env: dict[str, str]) -> float:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    try:
        # Until it has begun, and for as long as a burst may fill what is empty still.
        drain(ours, until=time.monotonic() + 1.0)
        began = time.monotonic()
        size = drain(ours, until=began + SECONDS)
        return size / 1e6 / (time.monotonic() - began)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def drain(fd: int, *, until: float) -> int:
    size = 0
    while time.monotonic() < until:
        size += len(os.read(fd, 1 << 20))
    return size


if __name__ == "__main__":
    main()

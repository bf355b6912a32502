"""Serves one transfer."""

import os
import signal
from typing import Any

from .adapter import Served
from .places import Anywhere, Beneath, Places
from .tree import Tree

_FAILED = 255


def main(asked: dict[str, Any]) -> int:
    """Serve files on stdin and stdout until the client closes, and return the exit code."""
    # Whoever interrupts it gets no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.set_blocking(0, True)
    os.set_blocking(1, True)
    roots = [os.path.expanduser(os.fsencode(root)) for root in asked["roots"]]
    places: Places = Beneath(roots) if roots else Anywhere()
    flaw = Served(Tree(places, read_only=asked["readOnly"]), 0, 1).run()
    if flaw:
        os.write(2, f"omnyshell: {flaw}\n".encode(errors="replace"))
    return _FAILED if flaw else 0

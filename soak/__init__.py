"""Fault, pressure and attack tests that take minutes: `make soak`, or one of them by `python -m soak.NAME`."""

import sys
from pathlib import Path

# What the tests share with these.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

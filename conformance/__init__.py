"""Other terminals' own test suites, run against the emulator: `python -m conformance FOLDER [SUITE...]`.

The suites are read in their own formats from where a user has fetched them; nothing of them is kept here.
"""

import sys
from pathlib import Path

# What runs the references is shared with the tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

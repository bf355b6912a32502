"""What this machine is good at."""

import sys
from contextlib import suppress
from pathlib import Path

from omnyshell.paths import read_file


def has_instructions_for_aes(file: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether its processors have instructions for AES: with them AES-GCM takes half of what ChaCha20 does."""
    if sys.platform == "darwin":
        return True
    with suppress(OSError):
        return b"aes" in read_file(file).split()
    return False

"""Deferred modules: nothing is loaded by an import, everything by a use."""

import subprocess
import sys

from support.deadline import DEADLINE

CODE = """
import sys
from omnyshell.cli.main import defer
defer("importlib.metadata")
import importlib.metadata
import websockets.version
assert "email.message" not in sys.modules
assert importlib.metadata.version("websockets") == websockets.version.version
assert "email.message" in sys.modules
from importlib.metadata import distribution
assert distribution("websockets").version
"""


def test_a_deferred_module_is_loaded_by_its_first_use() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", CODE], check=True, timeout=DEADLINE)

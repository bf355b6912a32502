"""Starts what serves files, for a user of the machine who may read no file of OmnyShell's.

The interpreter is given this as a text, and so it can say what is missing. It imports nothing of the package by name.
"""

import json
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from typing import Any

ASKED = "OMNYSHELL_FILES"
"""The variable that says what is wanted, as JSON: `child`, `libraries`, `roots` and `readOnly`."""

LIBRARIES = ("asyncssh", "typing_extensions")
FAILED = 255
_NAME = "omnyshell_files"


def main() -> int:
    """Serve one transfer on stdin and stdout, and return the exit code."""
    asked = json.loads(os.environ.pop(ASKED))
    sys.path += asked["libraries"]
    try:
        _make_package(_NAME, spec_from_file_location(_NAME, f"{asked['child']}/__init__.py"))
        # Of asyncssh `asyncssh.sftp` alone is needed, which needs nothing of what the package loads by itself: that is
        # 22 MiB and 0.1 s in place of 39 and 0.3.
        _make_package("asyncssh", find_spec("asyncssh"))
        from omnyshell_files.main import main as serve  # type: ignore[import-not-found]
    except Exception as exc:
        return _fail(asked, exc)
    code: int = serve(asked)
    return code


def _make_package(name: str, spec: ModuleSpec | None) -> None:
    """Have modules of a package be found without loading it itself. Raises `ImportError`."""
    if spec is None:
        raise ImportError(name)
    sys.modules[name] = module_from_spec(spec)


def _fail(asked: dict[str, Any], exc: Exception) -> int:
    places = " and ".join([asked["child"], *asked["libraries"]])
    text = f"who copies files has to be able to read {places} on the node's machine: install OmnyShell for all there"
    why = f"{sys.executable}: {type(exc).__name__}: {exc}"
    os.write(2, f"omnyshell: {text} ({why})\n".encode(errors="replace"))
    return FAILED


if __name__ == "__main__":
    sys.exit(main())

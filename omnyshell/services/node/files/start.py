"""Starts what serves files, for a user of the machine who may read no file of OmnyShell's.

Such a one's interpreter is given this as a text, and so it can say what is missing. It imports nothing of the package
by name.
"""

import json
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

ASKED = "OMNYSHELL_FILES"
"""The variable that says what is wanted, as JSON: `child`, `library`, `roots` and `readOnly`.

`child` is the directory of what is run, and `library` that in which asyncssh is installed.
"""

FAILED = 255
_NAME = "omnyshell_files"

_UNNEEDED = ("asyncio", "asyncssh.logging", "typing_extensions")
"""What `asyncssh.sftp` imports, and uses nothing of here but names in annotations.

Without these, and what `asyncssh` loads by itself, it takes 17 MiB and 0.05 s in place of 39 and 0.3.
"""


class _Unneeded(ModuleType):
    """Stands for a module."""

    def __getattr__(self, name: str) -> type:
        return object


def main() -> int:
    """Serve one transfer on stdin and stdout, and return the exit code."""
    asked = json.loads(os.environ.pop(ASKED))
    sys.path.append(asked["library"])
    try:
        _make_package(_NAME, spec_from_file_location(_NAME, f"{asked['child']}/__init__.py"))
        _make_package("asyncssh", find_spec("asyncssh"))
        sys.modules |= {name: _Unneeded(name) for name in _UNNEEDED}
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
    places = f"{asked['child']} and {asked['library']}/asyncssh"
    text = f"who copies files has to be able to read {places} on the node's machine: install OmnyShell for all there"
    why = f"{sys.executable}: {type(exc).__name__}: {exc}"
    os.write(2, f"omnyshell: {text} ({why})\n".encode(errors="replace"))
    return FAILED


if __name__ == "__main__":
    sys.exit(main())

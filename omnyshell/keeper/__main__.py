"""Makes a package of this directory, which is started by its path, and runs it.

Nothing is searched for in it by name: a module of the standard library could be found here instead.
"""

import sys
import time
from collections.abc import Callable, Sequence
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location

_NAME = "omnyshell_keeper"
_TRIES, _BETWEEN_TRIES = 300, 0.1
"""How often a keeper that takes over is loaded, as files may be replaced just then, and the seconds between."""


def _package(directory: str) -> ModuleSpec:
    spec = spec_from_file_location(_NAME, f"{directory}/__init__.py", submodule_search_locations=[directory])
    if spec is None:
        raise ImportError(directory)
    sys.modules[_NAME] = module_from_spec(spec)
    return spec


def _loaded() -> Callable[[Sequence[str]], int]:
    _package(__file__.rpartition("/")[0])
    from omnyshell_keeper.main import main  # type: ignore[import-not-found]

    return main  # type: ignore[no-any-return]


def _loaded_at_last() -> Callable[[Sequence[str]], int]:
    """Load what takes over: it was tried, but who is replacing its files may not be done, and sessions hang on it."""
    for _ in range(_TRIES):
        try:
            return _loaded()
        except (ImportError, SyntaxError, NameError, AttributeError, OSError):
            for name in [name for name in sys.modules if name.startswith(_NAME)]:
                del sys.modules[name]
            invalidate_caches()
            time.sleep(_BETWEEN_TRIES)
    return _loaded()


if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path != __file__.rpartition("/")[0]]
    main = _loaded_at_last() if sys.argv[1:2] == ["--restore"] else _loaded()
    sys.exit(main(sys.argv[1:]))

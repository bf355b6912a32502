"""Makes a package of this directory, which is started by its path, and runs it.

Nothing is searched for in it by name: a module of the standard library could be found here instead.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location

_NAME = "omnyshell_keeper"


def _package(directory: str) -> ModuleSpec:
    spec = spec_from_file_location(_NAME, f"{directory}/__init__.py", submodule_search_locations=[directory])
    if spec is None:
        raise ImportError(directory)
    sys.modules[_NAME] = module_from_spec(spec)
    return spec


if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path != __file__.rpartition("/")[0]]
    _package(__file__.rpartition("/")[0])
    from omnyshell_keeper.main import main  # type: ignore[import-not-found]

    sys.exit(main(sys.argv[1:]))

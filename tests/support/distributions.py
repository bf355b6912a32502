"""What `pyproject.toml` asks for, and the modules that each of it brings here."""

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def declared(*extras: str) -> Iterator[Requirement]:
    """Yield what these extras and every installation ask for; an extra that is made of others stands for them."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    optional = project["optional-dependencies"]
    for text in (*project["dependencies"], *(text for extra in extras for text in optional[extra])):
        found = Requirement(text)
        if found.name == "omnyshell":
            yield from declared(*found.extras)
        else:
            yield found


def requirements(extra: str = "") -> set[str]:
    """The distributions that one extra asks for by name, and those that every installation has."""
    return {canonicalize_name(found.name) for found in declared(*filter(None, [extra]))}


def closure(extra: str = "") -> set[str]:
    """The distributions that an installation with one extra has: what is asked for, and what that needs."""
    found: set[str] = set()
    waiting = list(requirements(extra))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _needed_by(name)
    return found


def modules_of(distributions: Iterable[str]) -> set[str]:
    """The top-level modules that distributions bring."""
    wanted = set(distributions)
    return {module for module, owners in _owners().items() if wanted & owners}


def other_modules(distributions: Iterable[str]) -> set[str]:
    """The top-level modules that are installed here and come from none of these distributions."""
    return set(_owners()) - modules_of({*distributions, "omnyshell"})


@cache
def _owners() -> dict[str, set[str]]:
    return {module: set(map(canonicalize_name, names)) for module, names in packages_distributions().items()}


def _needed_by(name: str) -> list[str]:
    try:
        texts = requires(name) or []
    except PackageNotFoundError:  # of another platform
        return []
    needed = map(Requirement, texts)
    return [
        canonicalize_name(found.name) for found in needed if not found.marker or found.marker.evaluate({"extra": ""})
    ]

"""What is installed to work on OmnyShell is what `make lock` took, and that is what pyproject.toml asks for."""

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.distributions import PYPROJECT, declared


def test_what_is_asked_for_is_locked_to_a_release_that_is_allowed() -> None:
    lines = (PYPROJECT.parent / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    locked = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    wanted = list(declared("all", "bench", "dev", "release"))
    assert len(wanted) > 20
    for requirement in wanted:
        version = locked.get(canonicalize_name(requirement.name), "none")
        assert version in requirement.specifier, f"{requirement}, and {version} is locked: run `make lock`"


def test_everything_that_is_asked_for_has_a_lowest_release() -> None:
    for requirement in declared("all", "bench", "dev", "release"):
        assert {"==", ">="} & {part.operator for part in requirement.specifier}, requirement

"""Writes constraints for pip: `lock` the newest releases that go together, `lowest` those that pyproject.toml allows.

    python tools/requirements.py lock > constraints.txt
    python tools/requirements.py lowest > constraints-lowest.txt

`lock` asks the package index, by pip; nothing is installed.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("all", "bench", "dev", "docs", "release")
_BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*(?:>=|==)\s*(?P<version>[^,;\s]+)")


def main() -> None:
    """Print the constraints that are asked for."""
    words = sys.argv[1:]
    if words not in (["lock"], ["lowest"]):
        sys.exit(__doc__)
    pins = locked() if words == ["lock"] else lowest()
    print(f"# Written by `make {'lock' if words == ['lock'] else 'test-lowest'}`.")
    print("\n".join(sorted(pins, key=str.lower)))


def locked() -> Iterator[str]:
    """Yield a pin for all that an installation for development would have now, and what builds it."""
    wanted = [f"{ROOT}[{','.join(EXTRAS)}]", *_project()["build-system"]["requires"]]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    report = subprocess.run([*command, *wanted], stdout=subprocess.PIPE, check=True).stdout
    for found in json.loads(report)["install"]:
        about = found["metadata"]
        if about["name"] != "omnyshell":
            yield f"{about['name']}=={about['version']}"


def lowest() -> Iterator[str]:
    """Yield a pin for the lower bound of each requirement."""
    project = _project()["project"]
    declared = (project["dependencies"], *project["optional-dependencies"].values())
    for text in {text for texts in declared for text in texts if not text.startswith("omnyshell[")}:
        bound = _BOUND.match(text)
        if bound is None:
            sys.exit(f"pyproject.toml: '{text}' has no lower bound")
        yield f"{bound['name']}=={bound['version']}"


def _project() -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


if __name__ == "__main__":
    main()

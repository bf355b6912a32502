"""What contributors' tools read says the same as what the project runs."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_hooks_before_a_commit_run_what_make_lint_runs() -> None:
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    linted = [line.replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in re.findall(r"\t(.*)", recipe)]
    hooks = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert [hook.removesuffix(" .") for hook in hooks] == linted


def test_the_workflow_runs_what_must_pass_before_anything_lands() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert re.findall(r"run: (?!git)(.*)", workflow) == [".ci/run"]


def test_what_must_pass_runs_the_suite_once_and_measured() -> None:
    (coverage,) = re.findall(r"^coverage:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"\$\(MAKE\).* (test\b.*)", coverage) == ["test UNDER='coverage run -m'"]
    commands = [line.split("#")[0] for line in (ROOT / ".ci/run").read_text().splitlines()]
    assert [command for command in commands if "make test" in command or "make coverage" in command] == [
        "OMNYSHELL_KNOWN_SKIPS=1 make coverage"
    ]


def test_no_file_is_empty_but_those_that_say_something_by_being_there() -> None:
    """An empty file is left by a mistyped redirection."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    empty = [name for name in listed if (ROOT / name).is_file() and not (ROOT / name).stat().st_size]
    assert [name for name in empty if Path(name).name not in ("py.typed", "__init__.py")] == []

"""What contributors' tools read says the same as what the project runs."""

import re
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

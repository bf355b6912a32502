"""The completion scripts know the words of all commands and of the console."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.deadline import DEADLINE

from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.grammar.completion import script_for
from omnyshell.options.completion import SHELLS
from omnyshell.services.local.console_options import OPTIONS as CONSOLE_OPTIONS
from omnyshell.tui.main import run as console

START = "from omnyshell.tui.main import main; main()"


def test_no_command_begins_with_the_words_of_another() -> None:
    words = [command.words for command in COMMANDS]
    assert not [(one, other) for one in words for other in words if one != other and other[: len(one)] == one]


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    return {shell: script_for(shell) for shell in SHELLS}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_every_word_that_can_be_typed(shell: str, scripts: dict[str, str]) -> None:
    text = scripts[shell]
    for command in COMMANDS:
        assert all(word in text for word in command.words)
        for option in command.options:
            if not option.is_argument and not option.is_in_file_only:
                assert (option.name if shell != "fish" else f"-l {option.toml_key}") in text
    assert "omnyshell nodes list" in text
    choices = next(command.options[0].choices for command in COMMANDS if command.words == ("completion",))
    assert choices == SHELLS


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell)])
def test_a_script_is_one_that_its_shell_can_read(shell: str, scripts: dict[str, str]) -> None:
    subprocess.run([shell, "-n"], input=scripts[shell], text=True, check=True, timeout=DEADLINE)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_console_prints_its_own(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert console(["--completion", shell]) == 0
    text = capsys.readouterr().out
    for option in CONSOLE_OPTIONS:
        assert (option.name if shell != "fish" else f"-l {option.toml_key}") in text
    assert "omnyshell-console" in text


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("--he", {"--headless", "--help"}), ("--key ann", {"ann.key"}), ("--key = ann", {"ann.key"})],
)
def test_bash_completes_the_words_of_the_console(typed: str, offered: set[str], tmp_path: Path) -> None:
    (tmp_path / "ann.key").touch()
    code = (
        f'eval "$({sys.executable} -c "{START}" --completion bash)"; read -ra COMP_WORDS <<< "$1"\n'
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _omnyshell_console; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", code, "bash", f"omnyshell-console {typed}"],
        capture_output=True, text=True, timeout=DEADLINE, check=True, cwd=tmp_path, env=os.environ,
    )  # fmt: skip
    assert set(done.stdout.split()) == offered


def test_the_script_for_zsh_may_be_evaluated_and_sourced() -> None:
    assert "(eval|file)" in script_for("zsh")

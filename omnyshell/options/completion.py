"""Completion scripts for shells, made by `shtab` from a parser of argparse."""

import argparse

from omnyshell.options.option import Option

SHELLS = ("bash", "zsh", "fish")

_IN_ONE_WORD = """
# `--hub=URL` is three words to bash.
{name}() {{
  local -a COMP_WORDS=("${{COMP_WORDS[@]}}")
  local COMP_CWORD=$COMP_CWORD at
  for ((at = COMP_CWORD - 1; at > 0; at--)); do
    if [[ ${{COMP_WORDS[at]}} == = ]]; then
      COMP_WORDS=("${{COMP_WORDS[@]:0:at}}" "${{COMP_WORDS[@]:at + 1}}")
      ((COMP_CWORD -= 1))
    fi
  done
  _shtab{name}
}}
complete -o filenames -o bashdefault -F {name} {program}"""


def script(parser: argparse.ArgumentParser, shell: str, functions: str = "") -> str:
    """Return what one of `SHELLS` reads to complete the words of a program, whose name is the parser's.

    `functions` are the shell's own, which an action's `complete` names.
    """
    # Imported late: only who completes waits for it.
    import shtab

    text = shtab.complete(parser, shell, preamble=functions)
    if shell == "bash":
        program = parser.prog
        text += _IN_ONE_WORD.format(name=f"_{program.replace('-', '_')}", program=program)
    return text


def complete_values(option: Option, action: argparse.Action) -> None:
    """Have the value of an option completed that is a path."""
    import shtab

    if option.kind in ("file", "directory"):
        action.complete = shtab.FILE if option.kind == "file" else shtab.DIRECTORY  # type: ignore[attr-defined]

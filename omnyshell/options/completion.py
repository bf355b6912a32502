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
    """Return the completion script of one of `SHELLS` for the program that the parser is named after.

    `functions` is shell code that defines the functions which the actions' `complete` refers to.
    """
    # Imported late: only this command needs it.
    import shtab

    text = shtab.complete(parser, shell, preamble=functions)
    if shell == "bash":
        program = parser.prog
        text += _IN_ONE_WORD.format(name=f"_{program.replace('-', '_')}", program=program)
    return text


def complete_values(option: Option, action: argparse.Action) -> None:
    """Complete an option's value as a path, if it is one."""
    import shtab

    if option.kind in ("file", "directory"):
        action.complete = shtab.FILE if option.kind == "file" else shtab.DIRECTORY  # type: ignore[attr-defined]

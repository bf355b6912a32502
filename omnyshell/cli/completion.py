"""`omnyshell completion`: scripts for shells, made from the table of commands."""

import argparse

from omnyshell.cli.spec import COMMANDS, Command, Option

_PATH_KINDS = ("file", "directory")


def completion(options: argparse.Namespace) -> int:
    """Print the script for one shell."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]())
    return 0


def _first_words() -> list[str]:
    return list(dict.fromkeys(command.words[0] for command in COMMANDS))


def _second_words(first: str) -> list[str]:
    return [command.words[1] for command in COMMANDS if command.words[0] == first and len(command.words) > 1]


def _flags(command: Command) -> list[str]:
    return [option.name for option in command.options if not option.is_argument] + ["--help"]


def _words_of(command: Command) -> list[str]:
    choices = [word for option in command.options if option.is_argument for word in option.choices]
    return choices + _flags(command)


def _path_options() -> list[str]:
    options = {o.name for command in COMMANDS for o in command.options if o.kind in _PATH_KINDS and not o.is_argument}
    return sorted(options)


def _bash() -> str:
    cases = [f'    {" ".join(c.words)!r}*) words="{" ".join(_words_of(c))}" ;;' for c in COMMANDS]
    groups = [
        f'    {first!r}) words="{" ".join(_second_words(first))}" ;;'
        for first in _first_words()
        if _second_words(first)
    ]
    return "\n".join(
        [
            "_omnyshell() {",
            '  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words=""',
            f'  case "$previous" in {"|".join(_path_options())})',
            '    COMPREPLY=($(compgen -f -- "$current")); return ;;',
            "  esac",
            '  local typed="${COMP_WORDS[*]:1:COMP_CWORD-1}"',
            '  case "$typed" in',
            f'    "") words="{" ".join(_first_words())} --help --version" ;;',
            *groups,
            *cases,
            "  esac",
            '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
            "}",
            "complete -o filenames -o bashdefault -F _omnyshell omnyshell",
        ]
    )


def _zsh() -> str:
    return f"#compdef omnyshell\nautoload -Uz bashcompinit && bashcompinit\n{_bash()}"


def _fish() -> str:
    lines = ["complete -c omnyshell -f"]
    lines += [
        f"complete -c omnyshell -n __fish_use_subcommand -a {first} -d {_quoted(_help_of(first))}"
        for first in _first_words()
    ]
    for first in _first_words():
        seconds = _second_words(first)
        if seconds:
            condition = f"__fish_seen_subcommand_from {first}; and not __fish_seen_subcommand_from {' '.join(seconds)}"
            lines.append(f"complete -c omnyshell -n {_quoted(condition)} -a {_quoted(' '.join(seconds))}")
    for command in COMMANDS:
        condition = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in command.words)
        lines += [_fish_option(condition, option) for option in command.options if not option.is_argument]
    return "\n".join(lines)


def _fish_option(condition: str, option: Option) -> str:
    takes = "" if option.kind == "flag" else " -r -F" if option.kind in _PATH_KINDS else " -x"
    choices = f" -a {_quoted(' '.join(option.choices))}" if option.choices else ""
    return (
        f"complete -c omnyshell -n {_quoted(condition)} -l {option.name.lstrip('-')}"
        f"{takes}{choices} -d {_quoted(option.help)}"
    )


def _help_of(first: str) -> str:
    return next(command.help for command in COMMANDS if command.words[0] == first)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

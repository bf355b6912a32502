"""`omnyshell completion`: scripts for shells, made from the table of commands."""

import argparse
from collections.abc import Iterable

from omnyshell.cli.spec import COMMANDS
from omnyshell.cli.spec_base import NODE, Command
from omnyshell.options.option import Option
from omnyshell.services.local.console_options import OPTIONS as CONSOLE_OPTIONS

_PATH_KINDS = ("file", "directory")

_NODES = "OMNYSHELL_NO_PROMPT=1 timeout 2 omnyshell nodes list 2>/dev/null | awk 'NR > 1 { print $1 }'"
"""What a shell runs for the ids of nodes: of the hub that is logged in to, if it answers soon enough."""


def completion(options: argparse.Namespace) -> int:
    """Print the script for one shell."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]())
    return 0


def _first_words() -> list[str]:
    return list(dict.fromkeys(command.words[0] for command in COMMANDS))


def _second_words(first: str) -> list[str]:
    return [command.words[1] for command in COMMANDS if command.words[0] == first and len(command.words) > 1]


def _flags(options: Iterable[Option]) -> str:
    return " ".join([*(option.name for option in _typed(options)), "--help"])


def _first_argument(command: Command) -> Option | None:
    return next((option for option in command.options if option.is_argument), None)


def _typed(options: Iterable[Option]) -> list[Option]:
    """The options that are typed by name."""
    return [option for option in options if not option.is_argument and not option.is_in_file_only]


def _options(*, with_paths: bool) -> dict[str, Option]:
    """The options whose values can be completed: those that are paths, or those that have choices."""
    return {
        option.name: option
        for options in (*(command.options for command in COMMANDS), CONSOLE_OPTIONS)
        for option in _typed(options)
        if (option.kind in _PATH_KINDS if with_paths else option.choices)
    }


def _bash() -> str:
    return "\n".join(
        [
            "_omnyshell() {",
            *_bash_values(),
            '  local typed="${COMP_WORDS[*]:1:COMP_CWORD-1}"',
            '  case "$typed" in',
            f'    "") words="{" ".join(_first_words())} --help --version" ;;',
            *(
                f'    {first!r}) words="{" ".join(_second_words(first))}" ;;'
                for first in _first_words()
                if _second_words(first)
            ),
            *(line for command in COMMANDS for line in _bash_cases(command)),
            "  esac",
            '  if [[ $current == -* || -z $words ]]; then words="$words $flags"; fi',
            '  COMPREPLY+=($(compgen -W "$words" -- "$current"))',
            "}",
            "complete -o filenames -o bashdefault -F _omnyshell omnyshell",
            "_omnyshell_console() {",
            *_bash_values(),
            f'  COMPREPLY=($(compgen -W "{_flags(CONSOLE_OPTIONS)} --version" -- "$current"))',
            "}",
            "complete -o filenames -o bashdefault -F _omnyshell_console omnyshell-console",
        ]
    )


def _bash_values() -> list[str]:
    """The beginning of a function: what the option before takes as its value."""
    return [
        '  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words="" flags=""',
        "  COMPREPLY=()",
        '  case "$previous" in',
        f"    {'|'.join(_options(with_paths=True))})",
        '      COMPREPLY=($(compgen -f -- "$current")); return ;;',
        *(
            f'    {name}) COMPREPLY=($(compgen -W "{" ".join(option.choices)}" -- "$current")); return ;;'
            for name, option in _options(with_paths=False).items()
        ),
        "  esac",
    ]


def _bash_cases(command: Command) -> list[str]:
    """The lines for what follows a command: its first argument at once, options later."""
    typed, flags = " ".join(command.words), _flags(command.options)
    argument = _first_argument(command)
    if argument is None:
        return [f'    {typed!r}*) flags="{flags}" ;;']
    offered = ":"
    if argument.choices:
        offered = f'words="{" ".join(argument.choices)}"'
    elif argument.name == NODE.name:
        offered = f'words="$({_NODES})"'
    elif argument.kind in _PATH_KINDS:
        offered = 'COMPREPLY=($(compgen -f -- "$current"))'
    # With a dash an option is meant: no hub has to be asked.
    return [
        f'    {typed!r}) if [[ $current == -* ]]; then flags="{flags}"; else {offered}; fi ;;',
        f'    {typed!r}*) if [[ $current == -* ]]; then flags="{flags}"; fi ;;',
    ]


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
        argument = _first_argument(command)
        if argument is not None and argument.name == NODE.name:
            lines.append(f"complete -c omnyshell -n {_quoted(condition)} -a {_quoted(f'({_NODES})')}")
        elif argument is not None and argument.kind in _PATH_KINDS:
            lines.append(f"complete -c omnyshell -n {_quoted(condition)} -F")
        lines += [_fish_option(f"-c omnyshell -n {_quoted(condition)}", option) for option in _typed(command.options)]
    lines += [_fish_option("-c omnyshell-console", option) for option in _typed(CONSOLE_OPTIONS)]
    return "\n".join(lines)


def _fish_option(where: str, option: Option) -> str:
    takes = "" if option.kind == "flag" else " -r -F" if option.kind in _PATH_KINDS else " -x"
    choices = f" -a {_quoted(' '.join(option.choices))}" if option.choices else ""
    return f"complete {where} -l {option.toml_key}{takes}{choices} -d {_quoted(option.help)}"


def _help_of(first: str) -> str:
    return next(command.help for command in COMMANDS if command.words[0] == first)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

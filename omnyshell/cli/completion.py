"""`omnyshell completion`: scripts for shells, made from the table of commands."""

import argparse
from collections.abc import Iterable, Sequence

from omnyshell.cli.spec import COMMANDS
from omnyshell.cli.spec_admin import LOCKED
from omnyshell.cli.spec_base import NODE, Command
from omnyshell.options.option import Option
from omnyshell.services.local.console_options import OPTIONS as CONSOLE_OPTIONS

_NAME = LOCKED[1].name
_PATH_KINDS = ("file", "directory")

_PLAIN = "/^[A-Za-z0-9._:@+-]+$/"
"""Names that are offered: bash expands others, which a hub might choose, as commands."""


def _of_hub(command: str, names: str) -> str:
    """What a shell runs for names that the hub knows which is logged in to, if it answers soon enough.

    `names` is a program of awk, which reads a table and prints them.
    """
    run = f"OMNYSHELL_NO_PROMPT=1 timeout 2 omnyshell {command} 2>/dev/null"
    return f"{run} | awk '{names}' | awk '{_PLAIN} && !seen[$0]++'"


_NODES = _of_hub("nodes list", "NR > 1 { print $1 }")
_PRINCIPALS = _of_hub("users list", "NR > 1 { print $1 }")
_ROLES = _of_hub(
    "users list",
    # Roles that end have a time behind them.
    r'NR > 1 { gsub(/ \(until [^)]*\)/, ""); count = split($2, roles, ","); '
    r'for (at = 1; at <= count; at++) if (roles[at] != "-") print roles[at] }',
)


def _locked(kind: str) -> str:
    return _of_hub("locks list", f'$1 == "{kind}" {{ print $2 }}')


_TO_LOCK = {"principal": _PRINCIPALS, "node": _NODES, "role": _ROLES}
_BY_KIND = {"locks add": _TO_LOCK, "locks remove": {kind: _locked(kind) for kind in _TO_LOCK}}
"""Of commands with a kind and a name: what a shell runs for names, by the kind."""


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


def _arguments(command: Command) -> list[Option]:
    return [option for option in command.options if option.is_argument]


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
            *_bash_typed(),
            '  case "$command" in',
            '    "") flags="--help --version" ;;',
            *(f'    {command.name!r}) flags="{_flags(command.options)}" ;;' for command in COMMANDS),
            "  esac",
            # With a dash an option is meant: no hub has to be asked.
            '  if [[ $current == -* ]]; then typed="-" words="$flags"; fi',
            '  case "$typed" in',
            *(f"    {'|'.join(map(repr, typed))}) {offer} ;;" for offer, typed in _bash_offers().items()),
            "  esac",
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


def _bash_typed() -> list[str]:
    """Collect what was typed, without options and their values: the words of a command, and `_` for each argument."""
    names = "|".join(sorted(_with_value()))
    return [
        '  local typed="" command="" at',
        "  for ((at = 1; at < COMP_CWORD; at++)); do",
        '    case "${COMP_WORDS[at]}" in',
        f"      {names})",
        # `--hub=URL` is three words to bash.
        "        ((at += 1)); [[ ${COMP_WORDS[at]} == = ]] && ((at += 1)) ;;",
        "      -*) ;;",
        "      *)",
        '        if [[ -n $command ]]; then typed="$typed _"; else typed="${typed:+$typed }${COMP_WORDS[at]}"; fi',
        f'        case "$typed" in {"|".join(repr(command.name) for command in COMMANDS)}) command="$typed" ;; esac ;;',
        "    esac",
        "  done",
    ]


def _with_value() -> set[str]:
    """The options that take a value, whichever command they are of."""
    return {option.name for command in COMMANDS for option in _typed(command.options) if option.kind != "flag"}


def _bash_offers() -> dict[str, list[str]]:
    """What is offered, by what was typed before."""
    offers: dict[str, list[str]] = {f'words="{" ".join(_first_words())} --help --version"': [""]}
    for first in _first_words():
        if seconds := _second_words(first):
            offers[f'words="{" ".join(seconds)}"'] = [first]
    for command in COMMANDS:
        arguments = _arguments(command)
        for position in range(len(arguments)):
            if offer := _bash_offer(command, arguments[position:]):
                offers.setdefault(offer, []).append(command.name + " _" * position)
        if not arguments:
            offers.setdefault('words="$flags"', []).append(command.name)
    return offers


def _bash_offer(command: Command, arguments: Sequence[Option]) -> str:
    """What completes the first of these arguments, or the one behind it where the first can be left out."""
    argument = arguments[0]
    if argument.choices:
        return f'words="{" ".join(argument.choices)}"'
    if argument.name == NODE.name:
        return f'words="$({_NODES})"'
    if argument.name == _NAME and command.name in _BY_KIND:
        # The kind is the word before. Parentheses are in pairs, for the bash of macOS.
        cases = " ".join(f"({kind}) {run} ;;" for kind, run in _BY_KIND[command.name].items())
        return f'words="$(case "$previous" in {cases} esac)"'
    if argument.kind in _PATH_KINDS:
        return 'COMPREPLY=($(compgen -f -- "$current"))'
    return _bash_offer(command, arguments[1:]) if argument.optional and len(arguments) > 1 else ""


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
        arguments = _arguments(command)
        if any(argument.name == NODE.name for argument in arguments):
            lines.append(f"complete -c omnyshell -n {_quoted(condition)} -a {_quoted(f'({_NODES})')}")
        elif command.name in _BY_KIND:
            by_kind = _BY_KIND[command.name]
            kinds = " ".join(by_kind)
            before = f"{condition}; and not __fish_seen_subcommand_from {kinds}"
            lines.append(f"complete -c omnyshell -n {_quoted(before)} -a {_quoted(kinds)}")
            for kind, run in by_kind.items():
                behind = f"{condition}; and __fish_seen_subcommand_from {kind}"
                lines.append(f"complete -c omnyshell -n {_quoted(behind)} -a {_quoted(f'({run})')}")
        elif any(argument.kind in _PATH_KINDS for argument in arguments):
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

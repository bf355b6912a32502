"""`omnyshell completion`: scripts for shells, made from the table of commands."""

import argparse
from collections.abc import Mapping
from typing import Any

from omnyshell.cli.grammar.admin_commands import LOCKED
from omnyshell.cli.grammar.command import NODE, Command
from omnyshell.cli.grammar.commands import ACCEPT, AS_USER, COMMANDS
from omnyshell.options.completion import complete_values, script
from omnyshell.options.parser import add_options

_NAME = LOCKED[1].name

_PLAIN = "/^[A-Za-z0-9._:@+-]+$/"
"""A pattern of awk for names that are offered: bash would expand others, which a hostile hub could choose, as
commands."""


def _of_hub(command: str, names: str) -> str:
    """A shell command that prints names known to the hub of the saved login, if it answers soon enough.

    `names` is an awk program that reads the table printed by `command`, and prints the names.
    """
    run = f"OMNYSHELL_NO_PROMPT=1 timeout 2 omnyshell {command} 2>/dev/null"
    return f"{run} | awk '{names}' | awk '{_PLAIN} && !seen[$0]++'"


_FIRST_COLUMN = "NR > 1 { print $1 }"
_NODES = _of_hub("nodes list", _FIRST_COLUMN)
_WORDS_OF_JSON = 'gsub(/[",]/, "", $2)'
_USERS = _of_hub("sessions list --json", f'$1 == "\\"user\\":" {{ {_WORDS_OF_JSON}; print $2 }}')
"""Those as whom one's sessions run: nobody else knows whom one may be."""

_USERS_AT_NODES = _of_hub(
    "sessions list --json",
    f'$1 == "\\"nodeId\\":" {{ {_WORDS_OF_JSON}; node = $2 }} '
    f'$1 == "\\"user\\":" {{ {_WORDS_OF_JSON}; print $2 "@" node }}',
)
_PRINCIPALS = _of_hub("users list", _FIRST_COLUMN)
_ROLES = _of_hub(
    "users list",
    # A role that expires is followed by its time.
    r'NR > 1 { gsub(/ \(until [^)]*\)/, ""); count = split($2, roles, ","); '
    r'for (at = 1; at <= count; at++) if (roles[at] != "-") print roles[at] }',
)


def _locked(kind: str) -> str:
    return _of_hub("locks list", f'$1 == "{kind}" {{ print $2 }}')


_TO_LOCK = {"principal": _PRINCIPALS, "node": _NODES, "role": _ROLES}
_BY_KIND = {"locks add": _TO_LOCK, "locks remove": {kind: _locked(kind) for kind in _TO_LOCK}}
"""For commands with a kind and a name: the shell command that prints names, by kind."""

_OPEN = {
    "forwards close": _of_hub("forwards list", _FIRST_COLUMN),
    "tunnel close": _of_hub("tunnel list", _FIRST_COLUMN),
}
"""For commands that close something of one's own: the shell command that prints what there is."""

_NODE_IDS, _PLACES, _USER_NAMES = "_omnyshell_nodes", "_omnyshell_places", "_omnyshell_users"
_BY_FUNCTION = {_NODE_IDS: _NODES, _PLACES: f"{_NODES}; {_USERS_AT_NODES}", _USER_NAMES: _USERS}
"""The shell commands that print names wherever they are asked for, by the functions that are called."""

_SPOTS = "_omnyshell_spots"
_AT_NODES = f"{_NODES} | awk '{{ print $0 \":\" }}'"
_SPOT_FUNCTIONS = {
    "bash": f'{_SPOTS}() {{ compgen -f -- "$1"; compgen -W "$({_AT_NODES})" -- "$1"; }}',
    "zsh": f"{_SPOTS}() {{ _files; compadd -S '' -- $({_AT_NODES}) }}",
    "fish": f"function {_SPOTS}; __fish_complete_path (commandline -ct); {_AT_NODES}; end",
}
"""Files of this machine, and what those of nodes begin with."""


def completion(options: argparse.Namespace) -> int:
    """Print the script for one shell."""
    print(script_for(options.shell))
    return 0


def script_for(shell: str) -> str:
    """Return the script for bash, zsh or fish."""
    text = script(_parser_of_all(), shell, _functions(shell))
    # shtab knows `eval "$(omnyshell completion zsh)"` alone; `source <(...)` has another context.
    return text.replace("== eval ]]", "== (eval|file) ]]") if shell == "zsh" else text


def _parser_of_all() -> argparse.ArgumentParser:
    """Return one parser of all commands; when a command runs, only its own parser is built."""
    parser = argparse.ArgumentParser(prog="omnyshell", allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="say which version this is")
    firsts: Any = parser.add_subparsers()
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        first, *second = command.words
        if not second:
            _add_command(firsts, first, command)
            continue
        if first not in groups:
            among = ", ".join(other.words[1] for other in COMMANDS if other.words[0] == first)
            groups[first] = firsts.add_parser(first, help=among).add_subparsers()
        _add_command(groups[first], second[0], command)
    return parser


def _add_command(parsers: Any, word: str, command: Command) -> None:
    actions = add_options(parsers.add_parser(word, help=command.help), command.options)
    arguments = [option.name for option, _ in actions if option.is_argument]
    for option, action in actions:
        complete_values(option, action)
        # If the kind can be left out, the word may be the node already.
        following = arguments[arguments.index(option.name) + 1 :][:1] if option.optional else []
        if option.name == NODE.name or following == [NODE.name]:
            action.complete = _calling(_PLACES if AS_USER in command.options else _NODE_IDS)
        elif option is ACCEPT:
            action.complete = _calling(_NODE_IDS)
        elif command.words == ("cp",) and option.is_argument:
            action.complete = _calling(_SPOTS)
        elif (option.name, option.short) == (AS_USER.name, AS_USER.short):
            action.complete = _calling(_USER_NAMES)
        elif (option.name == _NAME and command.name in _BY_KIND) or (option.is_argument and command.name in _OPEN):
            action.complete = _calling(_function_of(command.name))


def _calling(function: str) -> dict[str, str]:
    return {"bash": function, "zsh": function, "fish": f"({function})"}


def _function_of(command: str) -> str:
    return f"_omnyshell_{command.replace(' ', '_')}"


def _functions(shell: str) -> str:
    """Shell functions that the script calls for names known to a hub.

    For commands with kinds, the previous word is the kind.
    """
    by_kind = [_BY_WORD[shell](_function_of(command), runs) for command, runs in _BY_KIND.items()]
    of_open = {_function_of(command): run for command, run in _OPEN.items()}
    always = [_ALWAYS[shell](name, run) for name, run in (_BY_FUNCTION | of_open).items()]
    return "\n".join((*always, _SPOT_FUNCTIONS[shell], *by_kind))


def _bash(name: str, run: str) -> str:
    return f'{name}() {{ compgen -W "$({run})" -- "$1"; }}'


def _zsh(name: str, run: str) -> str:
    return f"{name}() {{ compadd -- $({run}) }}"


def _fish(name: str, run: str) -> str:
    return f"function {name}; {run}; end"


def _bash_by_word(name: str, runs: Mapping[str, str]) -> str:
    # Patterns have both parentheses, which the bash of macOS requires here.
    cases = " ".join(f"({kind}) {run} ;;" for kind, run in runs.items())
    return _bash(name, f'case "${{COMP_WORDS[COMP_CWORD-1]}}" in {cases} esac')


def _zsh_by_word(name: str, runs: Mapping[str, str]) -> str:
    cases = " ".join(f"({kind}) {run} ;;" for kind, run in runs.items())
    return _zsh(name, f'case "${{words[CURRENT-1]}}" in {cases} esac')


def _fish_by_word(name: str, runs: Mapping[str, str]) -> str:
    cases = "; ".join(f"case {kind}; {run}" for kind, run in runs.items())
    return _fish(name, f"switch (commandline -opc)[-1]; {cases}; end")


_ALWAYS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
_BY_WORD = {"bash": _bash_by_word, "zsh": _zsh_by_word, "fish": _fish_by_word}

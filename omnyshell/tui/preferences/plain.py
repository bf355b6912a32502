"""Which fields of rows a program of this machine is given, as nodes and other people say what is in them.

Nobody can list what programs make of their arguments: `watch`, `ssh` and `sudo sh` run them, `curl` and compilers read
the file behind an `@`, make and env set variables. So a field is judged by itself. It is passed where it is plain: one
word of characters that mean nothing to shells and formats, which begins like no option, file of arguments or setting,
leads to no parent directory, and where it may be taken for a program or file of its own names none of this machine.
"""

import re
import shutil
from pathlib import Path
from typing import Final

from omnyshell.errors import ConfigException
from omnyshell.printable import printable

FREE_PREFIX: Final = "OMNYSHELL_ROW_"
"""What begins the names of variables that take any printable text, as no program obeys what it does not know."""

RULE: Final = "one word of letters, digits and ._:/@%+=,-"

_MARKS: Final = frozenset("._:/@%+=,-")
_BEGINS: Final = {"-": "a dash", "+": "a plus sign", "@": "an @ sign"}
"""Characters that begin an option, a command of an editor, the name of a file of arguments."""

_SETTING: Final = re.compile(r"[^\W\d]\w*\+?=")
_OBEYED: Final = re.compile(
    r"(?:LD|DYLD|FISH|KSH|GIT|SSH|SUDO|NPM|LUA|JAVA|_JAVA|JDK|GCONV|LC|XDG|GTK|QT|OMNYSHELL|PROMPT|MAN|GPG|DOCKER|KUBE"
    r"|CARGO|RUST|HIST|GLIBC)_.*"
    r"|(?:BASH|ZSH|PYTHON|PERL|RUBY|LESS|MAKE|GREP|MALLOC|TERM).*|PS\d"
    r"|.*(?:ENV|PATH|HOME|DIR|RC|SHELL|COMMAND|CMD|EXEC|PROGRAM|OPTS?|OPTIONS?|FLAGS|ARGS|PRELOAD|STARTUP|INIT|HOOKS?"
    r"|EDITOR|VISUAL|PAGER|BROWSER|ASKPASS|OPEN|CONFIG|PROXY|MODULES?|PLUGINS?|LIBRARY|LIBS?|FILE|SCRIPT|EVAL|IFS|LANG"
    r"|LANGUAGE|WRAPPER|VIEWER|TOOL)",
    re.IGNORECASE | re.DOTALL,
)
"""Names by which loaders, shells and interpreters are told what to load or to run, as their makers form them."""


class FieldException(ConfigException):
    """What a row says cannot be given to a program; the text says which field, and why."""


def refuse_name(name: str) -> None:
    """Raise `ConfigException` unless a variable of that name may have a field in it."""
    if not name.startswith(FREE_PREFIX) and _OBEYED.fullmatch(name) is not None:
        raise ConfigException(
            f"'{name}' may tell a shell, a loader or an interpreter what to run, and rows say what others want: "
            f"call it {FREE_PREFIX}{name}"
        )


def refuse_unless_plain(field: str, value: str) -> None:
    """Raise `FieldException` for a field that is no plain word; an empty one is."""
    shown = printable(value, 60)
    if not all(char.isalnum() or char in _MARKS for char in value):
        raise FieldException(
            f"{field} is not {RULE}: {shown}. A variable whose name begins with {FREE_PREFIX} takes any text"
        )
    if value.startswith("@"):
        raise FieldException(f"{field} begins with an @ sign, behind which programs expect a file: {shown}")
    if ".." in value.split("/"):
        raise FieldException(f"{field} leads to a parent directory: {shown}")


def refuse_beginning(field: str, value: str) -> None:
    """Raise `FieldException` for a field that begins an argument and would be more there than a text."""
    shown = printable(value, 60)
    if (what := _BEGINS.get(value[:1])) is not None:
        raise FieldException(f"{field} begins with {what}, which programs take for an option: {shown}")
    if _SETTING.match(value) is not None:
        raise FieldException(f"{field} looks like a variable that is set, which programs such as env do: {shown}")


def refuse_runnable(field: str, argument: str) -> None:
    """Raise `FieldException` for what is a program or a file of this machine, which `watch` or `sh` would run."""
    if shutil.which(argument) is not None or Path(argument).is_file():
        raise FieldException(
            f"{field} names a program or file of this machine, which what gets it may run: {printable(argument, 60)}"
        )

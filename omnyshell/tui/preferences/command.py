"""Commands of one's own on a row: a local program, with the row's fields in its arguments.

No shell ever sees them, as fields are what nodes and other people say. A field fills a place within one argument, is
never split, and is refused unless it is plain: see `preferences/plain.py`.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from omnyshell.errors import ConfigException
from omnyshell.printable import printable
from omnyshell.tui.preferences.plain import (
    FREE_PREFIX,
    FieldException,
    refuse_beginning,
    refuse_name,
    refuse_runnable,
    refuse_unless_plain,
)

LONGEST_VALUE: Final = 4_096
"""Characters of a field that a command takes; longer ones are refused, as cutting one would change what it says."""

_PLACE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

_SHELLS: Final = frozenset(
    ("ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "nu", "pwsh", "rbash", "sh", "tcsh", "yash", "zsh")
)
_SCRIPT: Final = re.compile(r"-[A-Za-z]*[cC].*|--(?:init-)?command\b.*", re.DOTALL)
"""Options of shells with the one whose argument is a script."""

_TAKES_VALUE: Final = re.compile(r"[-+][A-Za-z]*[oO][A-Za-z]*|--rcfile|--init-file")
"""Options of shells behind which a value follows, as in `-euo pipefail`."""

_CODE: Final[Mapping[str, re.Pattern[str]]] = {
    **dict.fromkeys(("flock", "runuser", "script", "su"), re.compile(r"-[A-Za-z]*c.*|--command\b.*", re.DOTALL)),
    **dict.fromkeys(("pypy", "python"), re.compile(r"-[A-Za-z]*c.*", re.DOTALL)),
    **dict.fromkeys(("lua", "perl", "ruby"), re.compile(r"-[A-Za-z0-9]*[eE].*", re.DOTALL)),
    "env": re.compile(r"-[A-Za-z]*S.*|--split-string\b.*", re.DOTALL),
    "node": re.compile(r"-[A-Za-z]*[ep].*|--(?:eval|print)\b.*", re.DOTALL),
    "php": re.compile(r"-[A-Za-z]*[rBRE].*", re.DOTALL),
}
"""Other programs, and their options with the one whose argument is obeyed, by a shell or by themselves."""

_PERMUTING: Final = ("flock", "runuser", "script", "su")
"""Those of them that take options behind other arguments too."""

_PREFIXES: Final = ("busybox", "doas", "env", "nice", "nohup", "setsid", "sudo", "timeout", "toybox", "watch", "xargs")
"""Programs behind which another one is named; elsewhere its name may be any word."""

EVERY_ROW: Final = ("hub", "me")
"""Fields that no row says: the hub's URL, and who is logged in."""

Values = Callable[[str], str]
"""Returns what a field of the row is, "" for nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field goes."""

    field: str


@dataclass(frozen=True, slots=True)
class Template:
    """One argument, or the value of one variable: texts and places in their order."""

    parts: tuple[str | Place, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Read a text with `{field}` in it; `{{` and `}}` are braces. Raises `ConfigException`."""
        if "\0" in text:
            raise ConfigException("no program takes a character U+0000")
        parts: list[str | Place] = []
        end = 0
        for match in _PLACE.finditer(text):
            parts += [text[end : match.start()]] if match.start() > end else []
            parts.append(_part(match, text))
            end = match.end()
        parts += [text[end:]] if end < len(text) else []
        return cls(tuple(parts))

    def __str__(self) -> str:
        return "".join(part if isinstance(part, str) else f"{{{part.field}}}" for part in self.parts)

    @property
    def fields(self) -> list[str]:
        """The fields that it takes."""
        return [part.field for part in self.parts if isinstance(part, Place)]

    def argument(self, values: Values) -> str:
        """Return an argument with the row's fields in it.

        Raises `FieldException` for a field that the row does not have, that is not plain (`refuse_unless_plain`), or
        that would begin the argument as more than a text; and where a whole argument, or what follows `--option=`,
        begins with a field and is a program or file of this machine.
        """
        text, begun = "", []
        for part in self.parts:
            if isinstance(part, str):
                text += part
                continue
            value = _field(part.field, values(part.field))
            if not value:
                raise FieldException(f"this row has no {part.field}")
            if not text:
                refuse_beginning(part.field, value)
            if not text or text.endswith("="):
                begun.append((part.field, len(text)))
            text += value
        for field, start in begun:
            refuse_runnable(field, text[start:])
        return text

    def value(self, values: Values, *, is_free: bool) -> str:
        """Return the value of a variable; `is_free` allows fields of any printable text. Raises `FieldException`."""
        return "".join(
            part if isinstance(part, str) else _field(part.field, values(part.field), is_free=is_free)
            for part in self.parts
        )


def _part(match: re.Match[str], text: str) -> str | Place:
    if match[0] in ("{{", "}}"):
        return match[0][0]
    if not match[1]:
        raise ConfigException(f"'{text}' has a brace that encloses no field; write {{{{ or }}}} for a brace")
    return Place(match[1])


def _field(field: str, value: str, *, is_free: bool = False) -> str:
    """Return a field's value. Raises `FieldException` where it may not be passed; what rows do not say may be."""
    if not value.isprintable():
        raise FieldException(f"{field} has characters that no program is given from here: {printable(value, 60)}")
    if len(value) > LONGEST_VALUE:
        raise FieldException(f"{field} is longer than {LONGEST_VALUE} characters")
    if not is_free and field not in EVERY_ROW:
        refuse_unless_plain(field, value)
    return value


@dataclass(frozen=True, slots=True)
class Invocation:
    """A program to run: its arguments, and what it gets in addition to this process's environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCommand:
    """A command of the user's own on the rows of a panel. Raises `ConfigException` for an argument that is unsafe."""

    name: str
    panel: str
    """The panel's name, in small letters."""

    argv: tuple[Template, ...]
    environment: Mapping[str, Template]
    key: str = ""
    """Textual's name of the key; "" for none."""

    confirm: bool = False
    in_terminal: bool = False
    """Whether it gets the console's terminal until it ends; else its output is shown."""

    def __post_init__(self) -> None:
        if self.argv[0].fields:
            raise ConfigException("which program runs cannot come from a row; begin 'argv' with its name or path")
        _refuse_scripts(self.argv)
        for name, template in self.environment.items():
            if template.fields:
                refuse_name(name)

    @property
    def about(self) -> str:
        """What it runs, as it was written."""
        return shlex.join(map(str, self.argv))

    @property
    def fields(self) -> list[str]:
        """All fields that it takes."""
        return [field for template in (*self.argv, *self.environment.values()) for field in template.fields]

    def on(self, values: Values) -> Invocation:
        """What to run for a row. Raises `FieldException`."""
        return Invocation(
            tuple(template.argument(values) for template in self.argv),
            {
                name: template.value(values, is_free=name.startswith(FREE_PREFIX))
                for name, template in self.environment.items()
            },
        )


def _refuse_scripts(argv: tuple[Template, ...]) -> None:
    """Refuse fields in what a shell would read as its script: wherever one is given a script, as also behind `env`.

    So are those in what other programs are told to do by an option.
    """
    texts = ["".join(part for part in template.parts if isinstance(part, str)) for template in argv]
    for at, text in enumerate(texts):
        name = text.rpartition("/")[2].rstrip("-.0123456789")
        is_run = at == 0 or texts[0].rpartition("/")[2] in _PREFIXES
        obeyed = _obeyed_by_shell(texts, at + 1, is_program=is_run) if name in _SHELLS else []
        if name in _CODE and is_run:
            obeyed = _obeyed_by_option(texts, at + 1, _CODE[name], is_permuting=name in _PERMUTING)
        field = next((field for place in obeyed for field in argv[place].fields), None)
        if field is not None:
            raise ConfigException(
                f"{{{field}}} would be part of a shell's script, or of what {name} obeys, and rows say what others "
                'want: give it behind the script, as ["sh", "-c", "echo \\"$1\\"", "sh", "{...}"]'
            )


def _obeyed_by_shell(texts: list[str], start: int, *, is_program: bool) -> list[int]:
    """The arguments that a shell takes for its options, their values, and its script or the name of one.

    Elsewhere than at the beginning a shell's name may be any word, unless it is told to run a script.
    """
    is_told, is_value = is_program, False
    for at in range(start, len(texts)):
        is_option = texts[at].startswith(("-", "+"))
        is_told = is_told or (is_option and _SCRIPT.fullmatch(texts[at]) is not None)
        if not (is_option or is_value):
            return list(range(start, at + 1)) if is_told else []
        is_value = is_option and _TAKES_VALUE.fullmatch(texts[at]) is not None
    return list(range(start, len(texts))) if is_told else []


def _obeyed_by_option(texts: list[str], start: int, option: re.Pattern[str], *, is_permuting: bool) -> list[int]:
    """The options that say what to do, as far as it is within them, and the arguments behind them."""
    found: list[int] = []
    for at in range(start, len(texts)):
        if option.fullmatch(texts[at]) is not None:
            found += (at, at + 1)
        elif not (is_permuting or texts[at].startswith("-") or texts[at - 1].startswith("-")):
            break
    return [at for at in found if at < len(texts)]

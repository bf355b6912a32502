"""A rule of a restricted node: one program, the words that it may be given, and what it is started with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from omnyshell.errors import ConfigException
from omnyshell.services.node.restriction.escapes import escapes_of, is_escape
from omnyshell.services.node.restriction.paths import path_flaw
from omnyshell.services.node.restriction.variables import variable_flaw

WORDS = "*"
"""As a pattern for further words: any that is no option."""

OPTIONS = "-*"
"""As a pattern: any option but those that are known to run programs or to write files."""

_ANY = (WORDS, OPTIONS, "--*")
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRule:
    """What may be run, and how.

    Patterns are those of a shell for file names, and match one word each, in its case. As `*` of a shell leaves names
    alone that begin with a dot, a pattern matches a word that begins with `-` only where it begins with `-` too, and
    one that steps up by `..` only where it does so too, or is `*` or `-*` by itself.
    """

    program: str
    """An absolute path, or, in the short form, a name that is looked up in the fixed `PATH`."""

    arguments: tuple[str, ...] = ()
    """A pattern for each word."""

    rest: tuple[str, ...] = ()
    """Any number of words may follow, each of which one of these patterns matches; without any, none may."""

    environment: tuple[str, ...] = ()
    """Names of variables that a request may set."""

    directory: str | None = None
    """Where it is started; None is the home of the node's user."""

    pty: bool = False
    """Whether it may run on a terminal."""

    origin: str = ""
    """How messages name the rule."""

    flaw: str = ""
    """Why it lets nothing run, where it was written for an earlier version and cannot be understood."""

    def __post_init__(self) -> None:
        """Raise `ConfigException` for what could not be held to."""
        paths = [self.program] if "/" in self.program else []
        paths += [self.directory] if self.directory is not None else []
        flaws = [f"{path!r} {path_flaw(path)}" for path in paths if path_flaw(path)]
        flaws += [f"{name!r} {variable_flaw(name)}" for name in self.environment if variable_flaw(name)]
        if flaws and not self.flaw:
            raise ConfigException("; ".join(flaws))

    @property
    def has_wildcards(self) -> bool:
        """Whether a request has a say in the words."""
        return any(has_wildcard(pattern) for pattern in (*self.arguments, *self.rest))

    def mismatch(self, words: Sequence[str], names: Iterable[str]) -> str:
        """Return which of the words behind the program does not match, or an empty text.

        `names` are what the program is called.
        """
        escapes = escapes_of(names)
        for number, pattern in enumerate(self.arguments):
            if number >= len(words):
                return f"word {number + 2} is missing; it must match {pattern!r}"
            if not _matches(words[number], pattern, escapes):
                return f"word {number + 2}, {words[number]!r}, does not match {pattern!r}"
        for number, word in enumerate(words[len(self.arguments) :], len(self.arguments) + 2):
            if not any(_matches(word, pattern, escapes) for pattern in self.rest):
                wanted = f"matches none of {', '.join(map(repr, self.rest))}" if self.rest else "is one too many"
                return f"word {number}, {word!r}, {wanted}"
        return ""


def has_wildcard(pattern: str) -> bool:
    """Tell whether a pattern matches more than itself."""
    return not _WILD.isdisjoint(pattern)


def _matches(word: str, pattern: str, escapes: Iterable[str]) -> bool:
    if word.startswith("-") and not pattern.startswith("-"):
        return False
    if pattern not in _ANY and _steps_up(word) and not _steps_up(pattern):
        return False
    if pattern in _ANY and is_escape(word, escapes):
        return False
    return fnmatchcase(word, pattern)


def _steps_up(path: str) -> bool:
    """Whether a path, or one behind `=` of an option, leads out of what it begins with."""
    return ".." in path.replace("=", "/").split("/")

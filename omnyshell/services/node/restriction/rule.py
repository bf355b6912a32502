"""A rule of a restricted node: one program, the arguments that it may get, and its environment."""

from collections.abc import Sequence
from dataclasses import dataclass

from omnyshell.errors import ConfigException
from omnyshell.services.node.restriction.escapes import Escapes
from omnyshell.services.node.restriction.paths import path_flaw
from omnyshell.services.node.restriction.variables import variable_flaw
from omnyshell.services.node.restriction.wildcards import matches, pattern_flaw, reason

_LONGEST_SHOWN = 80
"""Characters of a word that an error shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRule:
    """One command that may be run, and how.

    Patterns are those of a shell for file names; each matches one word, case-sensitively. A shell's `*` matches no name
    that begins with a dot; likewise a pattern matches a word that begins with `-` only if it begins with `-` too, and a
    word that steps up by `..` only if it does so too, or is just `*` or `-*`. `*` also matches `/`.
    """

    program: str
    """An absolute path, or, in the short form, a name that is looked up in the fixed `PATH`."""

    arguments: tuple[str, ...] = ()
    """A pattern for each word."""

    rest: tuple[str, ...] = ()
    """Patterns for further words: any number may follow, if each matches one of these. Empty: none may follow."""

    environment: tuple[str, ...] = ()
    """Variables that a request may set: `NAME`, or `NAME=PATTERN` for its value."""

    directory: str | None = None
    """The directory in which it is started; None is the home of the node's user."""

    pty: bool = False
    """Whether it may run on a terminal."""

    origin: str = ""
    """Where the rule was written: an option, or a place in a file."""

    flaw: str = ""
    """Why the rule lets nothing run, if it was written for an earlier version and is no longer valid."""

    def __post_init__(self) -> None:
        """Raise `ConfigException` for a rule that could not be enforced."""
        paths = [self.program] if "/" in self.program else []
        paths += [self.directory] if self.directory is not None else []
        flaws = [f"{path!r} {path_flaw(path)}" for path in paths if path_flaw(path)]
        flaws += [f"{pattern!r} {pattern_flaw(pattern)}" for pattern in self.patterns if pattern_flaw(pattern)]
        flaws += [f"{said!r} {variable_flaw(said)}" for said in self.environment if variable_flaw(said)]
        if flaws and not self.flaw:
            raise ConfigException("; ".join(flaws))

    def __str__(self) -> str:
        """How messages name the rule."""
        return self.origin or f"the rule for {self.program}"

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of all words that may be given."""
        return (*self.arguments, *self.rest)

    def mismatch(self, words: Sequence[str], escapes: Escapes) -> str:
        """Return an error about the first word after the program that does not match; "" if all match.

        `escapes` are the program's dangerous options.
        """
        for number, pattern in enumerate(self.arguments):
            if number >= len(words):
                return f"word {number + 2} is missing; it must match {pattern!r}"
            if not matches(words[number], pattern, escapes):
                return _unlike(number + 2, words[number], f"does not match {pattern!r}", [pattern], escapes)
        for number, word in enumerate(words[len(self.arguments) :], len(self.arguments) + 2):
            if not any(matches(word, pattern, escapes) for pattern in self.rest):
                wanted = f"matches none of {', '.join(map(repr, self.rest))}" if self.rest else "is one too many"
                return _unlike(number, word, wanted, self.rest, escapes)
        return ""


def _unlike(number: int, word: str, what: str, patterns: Sequence[str], escapes: Escapes) -> str:
    shown = word if len(word) <= _LONGEST_SHOWN else f"{word[:_LONGEST_SHOWN]}..."
    # The last reason comes from the pattern that is closest: options are matched by patterns for options.
    reasons = [why for pattern in patterns if (why := reason(word, pattern, escapes))]
    return f"word {number}, {shown!r}, {what}{f': {reasons[-1]}' if reasons else ''}"

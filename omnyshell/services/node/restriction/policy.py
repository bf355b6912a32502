"""Judges requests to a restricted node: which rule allows one, and what it starts."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.services.node.backend import Launch, ShellRequest
from omnyshell.services.node.environment import can_enter
from omnyshell.services.node.restriction.advice import warnings_of
from omnyshell.services.node.restriction.environment import NO_HOME, home_flaw, restricted_environment, trusted_home
from omnyshell.services.node.restriction.escapes import escapes_of
from omnyshell.services.node.restriction.pattern import narrowed, rule_from_pattern
from omnyshell.services.node.restriction.program import is_entry, look_up, names_of, trusted_program
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.trust import NotTrustedException, trusted_directory
from omnyshell.services.node.restriction.words import requested_words

REFUSED = "This node does not allow that command"

HOMELESS = "programs get / for their home, and for their directory where no rule says another"

logger = logging.getLogger("omnyshell.node")


class RuleRefusal(SessionRejectedException):
    """Why a rule refuses a request. The text is for the client, `why` for the author of the rule."""

    default_code = ErrorCodes.NOT_AUTHORIZED

    def __init__(self, why: str, told: str = REFUSED, *, code: str | None = None) -> None:
        super().__init__(told, code=code)
        self.why = why

    @property
    def is_near(self) -> bool:
        """Whether the rule allows the command, and refuses something else about the request."""
        return self.message != REFUSED


@dataclass(frozen=True, slots=True)
class CommandPolicy:
    """What may be run: without patterns and rules, everything.

    With any, shells are refused, a command string is split into words without a shell, and a program gets a fixed
    environment. A pattern is the short form of a rule; an invalid one lets nothing run. The caller must refuse an empty
    list of rules if that was meant to let nothing run.
    """

    patterns: tuple[str, ...] = ()
    rules: tuple[CommandRule, ...] = ()
    short: tuple[CommandRule, ...] = field(default=(), init=False, repr=False, compare=False)
    """The rules that the patterns stand for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "patterns", tuple(self.patterns))
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "short", tuple(rule_from_pattern(pattern) for pattern in self.patterns))

    def __str__(self) -> str:
        """A description that the node logs when it starts."""
        if not self.is_restricted:
            return "not restricted: everything runs that users of the node ask for"
        rules = len(self.all_rules)
        return f"restricted: {rules} rule{'s' if rules > 1 else ''} say{'' if rules > 1 else 's'} what may run"

    @property
    def is_restricted(self) -> bool:
        """Whether only what a rule allows may run."""
        return bool(self.patterns or self.rules)

    @property
    def all_rules(self) -> tuple[CommandRule, ...]:
        """The patterns' rules and the others, in the order in which they are tried."""
        return (*self.short, *self.rules)

    def launch(self, request: ShellRequest, refused_variables: Iterable[str] = ()) -> Launch:
        """Return what to start, from the first rule that allows the request.

        Raises `SessionRejectedException`: `not_authorized` if no rule does, `bad_request` for a request that no rule
        could allow.
        """
        words = requested_words(request)
        refusals = []
        for rule, answer in self.answers(words, request, refused_variables):
            if isinstance(answer, Launch):
                _warn_of_home(answer)
                return answer
            refusals.append(answer)
            if isinstance(answer.__cause__, NotTrustedException):
                logger.warning("%s: %s", rule, answer.why)
        raise next((refusal for refusal in refusals if refusal.is_near), RuleRefusal("no rule lets it run"))

    def answers(
        self, words: Sequence[str], request: ShellRequest, refused_variables: Iterable[str] = ()
    ) -> Iterator[tuple[CommandRule, Launch | RuleRefusal]]:
        """Yield each rule with its verdict on these words of the request."""
        home = trusted_home()
        for rule in self.all_rules:
            try:
                yield rule, _judge(rule, words, request, refused_variables, home)
            except RuleRefusal as refusal:
                yield rule, refusal

    def warnings(self) -> Iterator[str]:
        """Yield warnings for the author of the rules, from the present state of this machine."""
        if self.is_restricted and (flaw := home_flaw()):
            yield f"{HOMELESS}: {flaw}"
        for pattern, rule in zip(self.patterns, self.short, strict=True):
            if less := narrowed(pattern):
                yield f"{rule}: {less}"
        for rule in self.all_rules:
            yield from (f"{rule}: {text}" for text in warnings_of(rule))


def _warn_of_home(launch: Launch) -> None:
    if launch.env["HOME"] == NO_HOME and (flaw := home_flaw()):
        logger.warning("%s: %s", HOMELESS, flaw)


def _judge(rule: CommandRule, words: Sequence[str], request: ShellRequest, refused: Iterable[str], home: str) -> Launch:
    """Return what a rule starts for a request.

    Raises `RuleRefusal`, or `SessionRejectedException` for invalid values.
    """
    if rule.flaw:
        raise RuleRefusal(rule.flaw)
    path = _named_program(rule, words[0])
    mismatch = rule.mismatch(words[1:], escapes_of(names_of(path)))
    if mismatch:
        raise RuleRefusal(mismatch)
    if request.wants_pty and not rule.pty:
        raise RuleRefusal("it may not run on a terminal", "This node does not run that command on a terminal")
    cwd = _directory(rule, request.cwd, home)
    _see_that_it_is_trusted(path)
    return Launch([path, *words[1:]], restricted_environment(request, rule.environment, refused, home), cwd)


def _named_program(rule: CommandRule, word: str) -> str:
    """Return the path of the rule's program if the word names it, by its path or by a name in the fixed `PATH`.

    Raises `RuleRefusal`.
    """
    return _by_path(rule.program, word) if "/" in rule.program else _by_name(rule.program, word)


def _by_path(program: str, word: str) -> str:
    if word != program:
        found = look_up(word) if word == os.path.basename(program) else None  # noqa: PTH119
        if found is None or not is_entry(found, program):
            raise RuleRefusal(f"its program is {program}")
    return program


def _by_name(name: str, word: str) -> str:
    if word != name and (not word.startswith("/") or os.path.basename(word) != name):  # noqa: PTH119
        raise RuleRefusal(f"its program is {name}")
    found = look_up(name)
    if found is None:
        why = f"there is no program {name} in the fixed PATH"
        raise RuleRefusal(why, f"There is no program '{name}' that can be run", code=ErrorCodes.BAD_REQUEST)
    if word not in (name, found):
        raise RuleRefusal(f"its program is {found}")
    return found


def _directory(rule: CommandRule, asked: str | None, home: str) -> str:
    directory = rule.directory or home
    if asked and asked != directory:
        told = "This node runs that command in its own directory only: leave the directory out"
        raise RuleRefusal(f"it runs in {directory} only", told)
    if not can_enter(directory):
        told = "The directory that this node runs that command in cannot be entered"
        raise RuleRefusal(f"its directory {directory} cannot be entered", told, code=ErrorCodes.BAD_REQUEST)
    if rule.directory:
        _see_that_nobody_else_writes(rule.directory)
    return directory


def _see_that_nobody_else_writes(directory: str) -> None:
    try:
        trusted_directory(directory)
    except NotTrustedException as exc:
        told = "This node does not trust the directory that it runs that command in; its log says why"
        raise RuleRefusal(f"its directory {directory} is not trusted: {exc}", told) from exc
    except OSError as exc:
        told = "The directory that this node runs that command in cannot be entered"
        raise RuleRefusal(f"its directory {directory}: {exc.strerror}", told, code=ErrorCodes.BAD_REQUEST) from exc


def _see_that_it_is_trusted(path: str) -> None:
    try:
        trusted_program(path)
    except NotTrustedException as exc:
        told = "This node does not trust the program that this names; its log says why"
        raise RuleRefusal(f"{path} is not trusted: {exc}", told) from exc
    except SessionRejectedException as exc:
        raise RuleRefusal(str(exc), f"There is no program '{path}' that can be run", code=exc.code) from exc

"""The short form of a rule, `--allow-command PATTERN`, and what it meant before version 0.2.

Before 0.2 the pattern was matched against the program alone, or against the whole line. A pattern that cannot be
expressed as a rule now makes a rule that lets nothing run: a restricted node stays restricted, and stays reachable.
"""

from fnmatch import fnmatchcase

from omnyshell.services.node.restriction.advice import kind_of
from omnyshell.services.node.restriction.escapes import escapes_of
from omnyshell.services.node.restriction.paths import path_flaw
from omnyshell.services.node.restriction.program import look_up, names_of
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.splitting import quoted_part, split_line
from omnyshell.services.node.restriction.wildcards import OPTIONS, WORDS, has_wildcard, pattern_flaw


def rule_from_pattern(pattern: str) -> CommandRule:
    """Return the rule for a pattern: its program, a pattern for each word, and any further words for a last `*`."""
    origin = f"--allow-command {pattern!r}"
    try:
        program, *arguments = _words(pattern)
    except ValueError as exc:
        return CommandRule(program="", origin=origin, flaw=str(exc))
    rest: tuple[str, ...] = ()
    if arguments[-1:] == [WORDS]:
        arguments.pop()
        rest = (WORDS, OPTIONS)
    flaw = _program_flaw(program) or _words_flaw(arguments)
    return CommandRule(program=program, arguments=tuple(arguments), rest=rest, pty=True, origin=origin, flaw=flaw)


def narrowed(pattern: str) -> str:
    """Return what a pattern allowed before 0.2 and does not allow now, and what to write instead; "" if nothing."""
    rule = rule_from_pattern(pattern)
    if rule.flaw:
        return ""
    path = rule.program if "/" in rule.program else look_up(rule.program) or rule.program
    has_escapes = bool(escapes_of(names_of(path)))
    if not rule.arguments and not rule.rest:
        less = f"it lets {rule.program} run without words only, before 0.2 with any"
        # A program that can run anything is not advised to take more words.
        is_known = has_escapes or kind_of(path) is not None
        return less if is_known else f"{less}: write {f'{pattern.strip()} *'!r} for that"
    if _matched_more_words(rule):
        less = "a wildcard stays within its word; before 0.2 it reached over several"
        return f"{less}: write a pattern for each number of words that you mean"
    if rule.rest and has_escapes:
        less = f"before 0.2 it took all options of {rule.program}"
        return f"{less}; those that are known to write files or run programs now take a pattern that names them"
    return ""


def _words(pattern: str) -> list[str]:
    words = split_line(pattern)
    if not words:
        raise ValueError("it names no program")
    if has_wildcard(quoted_part(pattern)):
        raise ValueError("a wildcard is one in quotes too, and behind a '\\': write [*], [?] or [[] for the character")
    return words


def _program_flaw(program: str) -> str:
    if has_wildcard(program):
        return "a program cannot be named by a wildcard: write a pattern for each program"
    if "/" not in program:
        return pattern_flaw(program) if program else "it names no program"
    flaw = path_flaw(program)
    return f"the path of its program {flaw}" if flaw else ""


def _words_flaw(words: list[str]) -> str:
    return next((f"{word!r} {pattern_flaw(word)}" for word in words if pattern_flaw(word)), "")


def _matched_more_words(rule: CommandRule) -> bool:
    # Before 0.2 a pattern for any option matched the words after the option too.
    is_any = rule.rest and rule.arguments[-1:] in ((OPTIONS,), ("--*",))
    return any(map(_matched_more, rule.arguments[:-1] if is_any else rule.arguments))


def _matched_more(word: str) -> bool:
    """Whether a word's pattern matched more before 0.2: spaces (and so further words), options, or `..`."""
    atoms = _atoms(word)
    within = atoms[1:-1]
    return (
        "*" in atoms
        or any(has_wildcard(atom) and fnmatchcase(" ", atom) for atom in within)
        or (has_wildcard(atoms[0]) and fnmatchcase("-", atoms[0]))
    )


def _atoms(word: str) -> list[str]:
    """The characters and wildcards of a pattern, one by one."""
    atoms = []
    at = 0
    while at < len(word):
        end = word.find("]", at + (3 if word[at + 1 : at + 2] == "!" else 2)) if word[at] == "[" else -1
        atoms.append(word[at : end + 1] if end > 0 else word[at])
        at += len(atoms[-1])
    return atoms or [""]

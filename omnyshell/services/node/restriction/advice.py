"""Warnings for the author of a rule, from the present state of this machine."""

import os
from collections.abc import Iterator

from omnyshell.errors import SessionRejectedException
from omnyshell.services.node.restriction.containment import find_uncontained, is_contained, takes_options
from omnyshell.services.node.restriction.escapes import escapes_of
from omnyshell.services.node.restriction.program import is_script, look_up, names_of, trusted_program
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.trust import NotTrustedException, trusted_directory, trusted_path
from omnyshell.services.node.restriction.uncontained import Uncontained
from omnyshell.services.node.restriction.wildcards import has_wildcard


def warnings_of(rule: CommandRule) -> Iterator[str]:
    """Yield warnings about commands that a rule fails to allow, and about programs that it fails to restrict."""
    if rule.flaw:
        yield f"it lets nothing run: {rule.flaw}"
        return
    path = rule.program if "/" in rule.program else look_up(rule.program)
    if path is None:
        yield f"it lets nothing run now: there is no program {rule.program} in the fixed PATH"
        return
    yield from _trust_warning(path)
    yield from _containment_warning(rule, path)
    yield from _script_warning(rule, path)
    yield from _directory_warning(rule)


def kind_of(path: str) -> Uncontained | None:
    """Return the kind of hard-to-restrict program that the one at a path belongs to, if any."""
    return find_uncontained(names_of(path), is_script=is_script(path))


def _trust_warning(path: str) -> Iterator[str]:
    try:
        trusted_program(path)
    except SessionRejectedException as exc:
        yield f"it lets nothing run now: {exc}"


def _containment_warning(rule: CommandRule, path: str) -> Iterator[str]:
    kind = kind_of(path)
    name = os.path.basename(path)  # noqa: PTH119
    if kind is not None and not is_contained(kind, rule.arguments, rule.rest):
        yield f"whoever may use this rule can run anything by {name}: such programs {kind.why}; {_way_out(kind)}"
    elif escapes_of(names_of(path)) and any(map(takes_options, rule.patterns)):
        yield (
            f"a client chooses options of {name}; those that are known to write files or run programs are refused, and "
            "there may be others: name the options that are meant"
        )


def _script_warning(rule: CommandRule, path: str) -> Iterator[str]:
    """Warn about a script that is an argument: the program opens it itself, so it is not checked at each run."""
    kind = kind_of(path)
    if kind is None or kind.contained is None or not kind.contained.by_path:
        return
    for word in rule.arguments:
        if word.startswith("/") and not has_wildcard(word):
            try:
                trusted_path(word)
            except NotTrustedException as exc:
                yield f"others decide what it runs: {exc}; where {word} is the rule's program, each run is refused"
            except OSError:
                continue


def _way_out(kind: Uncontained) -> str:
    if kind.contained is None:
        return "no rule contains them"
    if kind.by_options:
        return "a rule contains them that fixes the subcommand and the options"
    return f"a rule contains them that fixes {kind.contained.text}"


def _directory_warning(rule: CommandRule) -> Iterator[str]:
    if rule.directory is None:
        return
    try:
        trusted_directory(rule.directory)
    except (OSError, NotTrustedException) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        yield f"it lets nothing run now: its directory {rule.directory} is not trusted: {why}"

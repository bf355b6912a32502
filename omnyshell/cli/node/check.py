"""`omnyshell node check`: whether a node would let a command run, and by which rule. Needs neither hub nor node."""

import argparse
import shlex
from collections.abc import Mapping
from typing import Any

from omnyshell.cli.ground.output import complain, printable, say
from omnyshell.model.sessions import PtySpec
from omnyshell.options.toml_file import read_options
from omnyshell.paths import user_path
from omnyshell.security.strict_modes import StrictModes
from omnyshell.services.node.backend import Launch, ShellRequest
from omnyshell.services.node.environment import REFUSED_VARIABLES
from omnyshell.services.node.options import OPTIONS
from omnyshell.services.node.restriction.policy import CommandPolicy, RuleRefusal
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.words import requested_words

ALLOWED, NOT_ALLOWED = 0, 1


def check(options: argparse.Namespace) -> int:
    """Print what a node with these rules would do if this user ran it on this machine; exit code 1 if it refuses.

    Raises `ConfigException` for an invalid file, and `SessionRejectedException` for an invalid command.
    """
    given = _given(options)
    policy = CommandPolicy(options.allow_command or given.get("allow_command", ()), given.get("commands", ()))
    for warning in policy.warnings():
        complain(f"warning: {printable(warning)}")
    if not policy.is_restricted:
        say("allowed: the node has no rules, and lets everything run")
        return ALLOWED
    refused = given.get("refuse_env") or REFUSED_VARIABLES
    return _report(policy, _request(options.rest, options.cwd, tty=options.tty), refused)


def _given(options: argparse.Namespace) -> Mapping[str, Any]:
    """The options from the file, which must pass strict modes, as for a node."""
    if not options.config:
        return {}
    StrictModes.said(options.strict_modes).check(user_path(options.config))
    return read_options(options.config, OPTIONS).values


def _request(words: list[str], cwd: str | None, *, tty: bool) -> ShellRequest:
    """Make the request: one word is a command line, which the node splits; several are a program and its arguments."""
    command, args = (words[0], ()) if len(words) == 1 else (None, tuple(words))
    return ShellRequest(
        session_id="", principal="", command=command, args=args, cwd=cwd, pty=PtySpec() if tty else None
    )


def _report(policy: CommandPolicy, request: ShellRequest, refused: tuple[str, ...]) -> int:
    refusals = []
    for number, (rule, answer) in enumerate(policy.answers(requested_words(request), request, refused), 1):
        if isinstance(answer, Launch):
            _print_launch(number, rule, answer)
            return ALLOWED
        refusals.append((number, rule, answer))
    _print_refusals(refusals)
    return NOT_ALLOWED


def _print_launch(number: int, rule: CommandRule, launch: Launch) -> None:
    say(f"allowed by rule {number}, {rule}")
    facts = {
        "runs": shlex.join(launch.argv),
        "in": launch.cwd,
        "terminal": "may have one" if rule.pty else "none",
        "environment": " ".join(f"{name}={value}" for name, value in launch.env.items()),
        "may be set": " ".join(rule.environment) or "nothing",
    }
    for name, fact in facts.items():
        say(f"  {name:<12} {fact}")


def _print_refusals(refusals: list[tuple[int, CommandRule, RuleRefusal]]) -> None:
    say("refused")
    for number, rule, refusal in refusals:
        say(f"  rule {number}, {rule}: {refusal.why}")

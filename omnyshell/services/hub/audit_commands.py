"""What the audit says of the command that a session was asked to run: bounded, and no values of an environment."""

import re
import shlex
from collections.abc import Sequence
from enum import StrEnum

LONGEST_COMMAND = 1024
"""Characters of a command line that are kept."""

HIDDEN = "***"
"""Stands for a value that a command line sets in an environment."""


class AuditedCommands(StrEnum):
    """How much of command lines is kept; the values are those of `audit-commands`."""

    FULL = "full"
    PROGRAM = "program"
    NONE = "none"


_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# A value may be cut off, within quotes too: then it goes on to the end.
_VALUE = r"""(?:'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)|\\.|\\\Z|[^\s'"\\;&|()<>])*"""
_ENV = re.compile(r"\s*(?:/usr/bin/|/bin/)?env(?=\s)(?:\s+-[uC]\s+\S+|\s+-\S*)*", re.DOTALL)
_SETTING = re.compile(rf"\s*({_NAME}\+?=){_VALUE}(?=[\s;&|]|\Z)", re.DOTALL)
_ENV_OPTIONS = ("-u", "-C")
"""Options of `env` that take the next word."""

_SETTING_WORD = re.compile(rf"({_NAME}=).*", re.DOTALL)


def audited_command(command: str | None, args: Sequence[str], kept: AuditedCommands) -> str:
    """Return what is kept of a request: words quoted as a shell wants them, or the line that a shell was given.

    Values that it sets in an environment, as in `PASSWORD=x program` or `env PASSWORD=x program`, are left out.
    """
    if kept is AuditedCommands.NONE or not (command or args):
        return ""
    if not args:
        return _of_line((command or "")[: LONGEST_COMMAND + 1], kept)
    return _of_words([command, *args] if command else args, kept)


def _of_line(line: str, kept: AuditedCommands) -> str:
    settings, rest = _hide_settings(line)
    if kept is AuditedCommands.PROGRAM:
        words = rest.lstrip(";&| \t\n").split(maxsplit=1)
        return _bounded(words[0] if words else "")
    return _bounded(settings + rest)


def _hide_settings(line: str) -> tuple[str, str]:
    """Return the beginning of a line that sets variables, without their values, and what comes behind it."""
    hidden: list[str] = []
    place = 0
    while (found := _SETTING.match(line, place) or _ENV.match(line, place)) is not None and found.end() > place:
        named = found[1] + HIDDEN if found.re is _SETTING else found[0].strip()
        hidden.append(named + " ")
        place = found.end()
    return "".join(hidden), line[place:].lstrip() if hidden else line


def _of_words(words: Sequence[str], kept: AuditedCommands) -> str:
    is_env = words[0] in ("env", "/usr/bin/env", "/bin/env")
    if kept is AuditedCommands.PROGRAM:
        return _bounded(shlex.quote(words[0][:LONGEST_COMMAND]))
    shown, length, is_setting = [], 0, is_env
    for number, word in enumerate(words):
        found = _SETTING_WORD.match(word) if is_setting and number else None
        is_option = word.startswith("-") or words[number - 1] in _ENV_OPTIONS
        is_setting = is_setting and (number == 0 or found is not None or is_option)
        shown.append(found[1] + HIDDEN if found is not None else shlex.quote(word[: LONGEST_COMMAND + 1]))
        length += len(shown[-1]) + 1
        if length > LONGEST_COMMAND:
            break
    return _bounded(" ".join(shown))


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_COMMAND else text[:LONGEST_COMMAND] + "..."

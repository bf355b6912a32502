"""The command of a session in the audit: of bounded length, with likely secrets hidden."""

from collections.abc import Sequence

from omnyshell.protocol.byte_text import shown, start_of
from omnyshell.services.hub.audit.secrets import mask_line, mask_words, program_of
from omnyshell.services.hub.ground.audit_settings import AuditedCommands

LONGEST_COMMAND = 1024
"""Characters of a command line that are kept."""


def audited_command(command: str | None, args: Sequence[str], kept: AuditedCommands) -> str:
    """Return the audited command of a request: its words, quoted for a shell, or the line for the shell.

    Values of environment variables and likely secrets are hidden: see `secrets.py`. They are looked for in the bytes
    as they are, and only what is left is spelled for people: what stands for a byte has letters of its own.
    """
    if kept is AuditedCommands.NONE or not (command or args):
        return ""
    if not args:
        return _of_line(start_of(command or "", LONGEST_COMMAND), kept)
    return _of_words([command, *args] if command else args, kept)


def _of_line(line: str, kept: AuditedCommands) -> str:
    return _bounded(program_of(line) if kept is AuditedCommands.PROGRAM else mask_line(line))


def _of_words(words: Sequence[str], kept: AuditedCommands) -> str:
    if kept is AuditedCommands.PROGRAM:
        words = words[:1]
    read, length = [], 0
    for word in words:
        read.append(start_of(word, LONGEST_COMMAND))
        length += len(read[-1]) + 1
        if length > LONGEST_COMMAND:
            break
    return _bounded(" ".join(mask_words(read)))


def _bounded(masked: str) -> str:
    text = shown(masked)
    return text if len(text) <= LONGEST_COMMAND else text[:LONGEST_COMMAND] + "..."

"""The words of a request to a restricted node, where no shell splits or expands them."""

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.model.sessions import ShellFamily
from omnyshell.protocol.byte_text import is_text
from omnyshell.services.node.backend import ShellRequest
from omnyshell.services.node.restriction.splitting import split_line

MAX_WORDS = 4096
MAX_LENGTH = 128 * 1024
"""Characters of all words together: matching them against patterns blocks the node."""


def requested_words(request: ShellRequest) -> list[str]:
    """Return the words of a request. Raises `SessionRejectedException`."""
    if sum(map(len, (request.command or "", *request.args))) > MAX_LENGTH:
        raise _too_many()
    words = _words(request)
    if len(words) > MAX_WORDS:
        raise _too_many()
    if not words:
        raise bad_request("There is nothing to run: give a command")
    if any("\0" in word for word in words):
        raise bad_request("A NUL character cannot be passed to a program")
    if not all(map(is_text, words)):
        raise bad_request("This node takes words that are UTF-8 alone, as its rules are text")
    return words


def bad_request(text: str) -> SessionRejectedException:
    """The error for a request that no rule could allow."""
    return SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST)


def _words(request: ShellRequest) -> list[str]:
    if request.args:
        return [request.command, *request.args] if request.command else list(request.args)
    if not request.command:
        raise SessionRejectedException("This node does not allow shells", code=ErrorCodes.NOT_AUTHORIZED)
    if request.shell_family in (ShellFamily.POWERSHELL, ShellFamily.CMD):
        raise SessionRejectedException("This node runs commands without a shell", code=ErrorCodes.NOT_AUTHORIZED)
    try:
        return split_line(request.command)
    except ValueError as exc:
        raise bad_request(f"The command cannot be split: {exc}") from exc


def _too_many() -> SessionRejectedException:
    return bad_request(f"A command has at most {MAX_WORDS} words and {MAX_LENGTH // 1024} KiB here")

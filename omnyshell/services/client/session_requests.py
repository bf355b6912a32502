"""What of a session's opening depends on what its hub can do."""

from collections.abc import Collection

from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.extensions import HISTORY, INTERACTIVE, RESUME_OFFSET, WIDE_INPUT, WIDTHS
from omnyshell.protocol.limits import WIDE_WINDOW_SIZE
from omnyshell.protocol.messages import SessionOpen


def fit(request: SessionOpen, features: Collection[str]) -> SessionOpen:
    """Have a request ask for what a hub with these extensions can give, and for nothing else; return it."""
    request.pty = request.pty and request.pty.toward(widths=WIDTHS in features)
    request.interactive = request.interactive and INTERACTIVE in features
    request.offsets = RESUME_OFFSET in features
    request.history = request.resume_session_id is not None and HISTORY in features
    # A shell's window is not widened: what is typed would wait for what was pasted.
    if request.mode is not SessionMode.SHELL and WIDE_INPUT in features:
        request.max_input_window = WIDE_WINDOW_SIZE
    return request

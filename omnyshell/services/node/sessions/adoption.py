"""Taking up a session that an earlier process of the node has left."""

from omnyshell.services.node.backend import LeftSession, ShellSession, is_kept
from omnyshell.services.node.sessions.notes import UNKNOWN, doubts
from omnyshell.services.node.sessions.session import NodeSession


def adopt(session: NodeSession, left: LeftSession) -> None:
    """Go on with it, as after the loss of its client: whose connection it was is gone.

    What may be missing is said where its client will read it.
    """
    process = left.take(session)
    missing = _settled_doubts(process)
    if session.is_shell and not left.is_known:
        missing.append(UNKNOWN)
    session.go_on(process, left.state)
    for sentence in missing:
        session.say(sentence)
    session.await_client(left.state)


def _settled_doubts(process: ShellSession) -> list[str]:
    if not is_kept(process) or process.record is None:
        return []
    found = doubts(process.record)
    process.record.settle_doubt()
    return found

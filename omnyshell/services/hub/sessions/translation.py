"""What a session's messages become on their way between client and node."""

from collections.abc import Iterable

from omnyshell.model.principals import Principal
from omnyshell.model.sessions import SessionAsker, SessionMode
from omnyshell.protocol.byte_text import shown_start
from omnyshell.protocol.extensions import (
    FORWARD,
    FORWARD_AHEAD,
    HISTORY,
    INTERACTIVE,
    LEADER_ONLY,
    LOGINS,
    SSH,
    WIDE_INPUT,
    WIDE_WINDOW,
    WIDTHS,
)
from omnyshell.protocol.messages import NodeSessionOpen, NodeSessionOpened, SessionOpen, SessionOpened
from omnyshell.services.hub.sessions.route import SessionRoute

AUDITED_AS = {SessionMode.SSH: "ssh.open", SessionMode.SFTP: "files.open", SessionMode.AGENT: "agent.open"}
"""The actions by which sessions of some modes are audited, which say at their end how much they carried."""

SHOWN_NAME_LENGTH = 255
"""Characters of an unchecked name from a peer that are quoted in errors and audited."""


def shown_command(request: SessionOpen) -> str:
    """Return the command of a request, for display; what a forward says of itself has its targets already."""
    words = shown_start(request.command or "", SHOWN_NAME_LENGTH)
    for word in () if request.mode is SessionMode.FORWARD else request.args:
        if len(words) > SHOWN_NAME_LENGTH:
            break
        said = shown_start(word, SHOWN_NAME_LENGTH)
        words += f" {said}" if words else said
    return words[:SHOWN_NAME_LENGTH]


def shown_target(request: SessionOpen) -> str:
    """Return what a connection of a forward leads to, for display; "" for all else."""
    return shown_start(request.target or "", SHOWN_NAME_LENGTH)[:SHOWN_NAME_LENGTH]


def carried_by(route: SessionRoute) -> str:
    """Return what a session that is a forward, or of a mode in `AUDITED_AS`, has carried, for the audit; else ""."""
    is_of_mode = route.session.mode in AUDITED_AS
    if not route.is_forward and not is_of_mode:
        return ""
    bytes_in, bytes_out = route.carried
    carried = f"{bytes_in} bytes in, {bytes_out} out"
    return carried if is_of_mode else f"{route.connected} connections, {carried}"


def node_request(request: SessionOpen, route: SessionRoute) -> NodeSessionOpen:
    """Make the request to the node; fields of extensions go only to a node that announced them."""
    has_logins = LOGINS in route.node.features
    with_users = has_logins and not route.is_resume
    return NodeSessionOpen(
        session_id=route.session.id,
        principal=route.session.principal,
        mode=request.mode,
        command=request.command,
        args=request.args,
        env=request.env,
        cwd=request.cwd,
        pty=request.pty and request.pty.toward(widths=WIDTHS in route.node.features),
        resume_session_id=request.resume_session_id,
        shell_family=request.shell_family,
        interactive=request.interactive and INTERACTIVE in route.node.features,
        offsets=route.has_offsets,
        output_offset=request.output_offset if route.has_offsets else None,
        repaint=request.repaint and route.has_offsets,
        history=request.history and _is_of_both(HISTORY, route),
        leader_only=request.leader_only and LEADER_ONLY in route.node.features,
        target=request.target if _is_of_both(FORWARD, route) else None,
        ahead=request.ahead and _is_of_both(FORWARD_AHEAD, route),
        ssh_key=request.ssh_key if _is_of_both(SSH, route) else None,
        ssh_nonce=request.ssh_nonce if _is_of_both(SSH, route) else None,
        ssh_agent=route.with_agent and _is_of_both(SSH, route),
        max_input_window=request.max_input_window if _is_of_both(WIDE_INPUT, route) else None,
        user=route.user or None if with_users else None,
        roles=tuple(sorted(route.client.principal.roles)) if with_users else (),
        logins=route.logins if with_users else (),
        asker=asker(route.client.principal, route.logins) if has_logins and route.is_resume else None,
    )


def asker(principal: Principal, logins: Iterable[str]) -> SessionAsker:
    """Return who takes up a session, or looks at it, as a node with `logins` is told."""
    return SessionAsker(principal=principal.id, roles=tuple(sorted(principal.roles)), logins=tuple(sorted(logins)))


def _is_of_both(extension: str, route: SessionRoute) -> bool:
    return extension in route.client.features and extension in route.node.features


def client_answer(message: NodeSessionOpened, route: SessionRoute) -> SessionOpened:
    """Make the answer to the client; `resume-offset` is in force only if the node echoed it."""
    route.has_offsets = route.has_offsets and message.offsets
    opened = SessionOpened(
        session_id=message.session_id,
        pty=route.session.mode is SessionMode.SHELL,
        alt_screen=message.alt_screen,
        shell=message.shell,
    )
    if _is_of_both(WIDE_WINDOW, route):
        opened.max_window = message.max_window
    if route.is_permission:
        opened.ahead = _is_of_both(FORWARD_AHEAD, route)
    if _is_of_both(HISTORY, route):
        opened.history_end = message.history_end
    if _is_of_both(SSH, route):
        opened.ssh_host_key = message.ssh_host_key
        opened.ssh_node_key = message.ssh_node_key
        opened.ssh_proof = message.ssh_proof
    if route.has_offsets:
        opened.offsets = True
        opened.output_offset = message.output_offset
        opened.input_offset = message.input_offset
        opened.input_ended = message.input_ended
        opened.reset = message.reset
    return opened

"""Sessions of the mode `ssh` (docs/extensions.md#ssh)."""

from omnyshell.errors import AuthException, ErrorCodes, OmnyShellException, ProtocolException
from omnyshell.ids import new_id
from omnyshell.model.grammars import is_login
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.extensions import LOGINS, SSH
from omnyshell.protocol.messages import SessionOpen
from omnyshell.protocol.messages.sessions import SessionOpened
from omnyshell.security.keys import Ed25519PublicKey, decode_base64_lenient
from omnyshell.security.ssh_host_proof import SshMeeting
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.ssh.known_hosts import Shown

MOST_SAID = 4096
"""Bytes of an answer to a question: a name, or a sentence."""


async def open_ssh(
    client: OmnyShellClient, node_id: str, user: str, key: Ed25519PublicKey
) -> tuple[RemoteSession, Shown]:
    """Open a connection to sshd for this key, and return with it what the node shows, whose proof was checked.

    Raises as `OmnyShellClient.open_session` does, and `ProtocolException` for a wrong proof.
    """
    return await _opened(client, node_id, user, key)


async def open_ssh_in_any_letters(
    client: OmnyShellClient, node_id: str, user: str, key: Ed25519PublicKey
) -> tuple[RemoteSession, Shown]:
    """Do as `open_ssh`, of a name that is a host's, for which capitals and small letters are the same.

    Where no node has it as it is written, it is the only one that has it otherwise.
    """
    try:
        return await open_ssh(client, node_id, user, key)
    except OmnyShellException as exc:
        if exc.code != ErrorCodes.UNKNOWN_NODE:
            raise
        alike = [node.node_id for node in await client.list_nodes() if node.node_id.casefold() == node_id.casefold()]
        if len(alike) != 1 or alike == [node_id]:
            raise
    return await open_ssh(client, alike[0], user, key)


async def ask_user(client: OmnyShellClient, node_id: str) -> str:
    """Ask a node whose a session of ssh would be. Raises as `OmnyShellClient.open_session` does."""
    request = SessionOpen(node_id=node_id, mode=SessionMode.SSH)
    return await _said(await client.open_as_asked(request, SSH))


async def ask_host_key(client: OmnyShellClient, node_id: str, user: str) -> Shown:
    """Ask a node which key its sshd shows to clients of this user. Raises as `open_ssh` does."""
    session, shown = await _opened(client, node_id, user, None)
    await _said(session)
    return shown


async def _opened(
    client: OmnyShellClient, node_id: str, user: str, key: Ed25519PublicKey | None
) -> tuple[RemoteSession, Shown]:
    nonce, key_text = new_id(), None if key is None else key.to_base64()
    request = SessionOpen(node_id=node_id, mode=SessionMode.SSH, user=user, ssh_key=key_text, ssh_nonce=nonce)
    session = await client.open_as_asked(request, SSH, LOGINS)
    try:
        shown = _shown(user, session.opened.result())
        if shown.node_key is not None:
            _check(shown, session, key, nonce)
    except BaseException:
        session.close()
        raise
    return session, shown


async def _said(session: RemoteSession) -> str:
    """Return the user's name with which a node answers. Raises `OmnyShellException` where it says something else."""
    said = {False: b"", True: b""}
    async with session:
        session.eof()
        async for chunk in session:
            said[chunk.is_stderr] += chunk.data
            if len(said[chunk.is_stderr]) > MOST_SAID:
                raise ProtocolException("it says more than who one is")
        status = await session.wait()
    user, complaint = (text.decode(errors="replace").strip() for text in said.values())
    if status.code or not is_login(user):
        raise OmnyShellException(complaint or "it does not say who one is")
    return user


def _shown(user: str, opened: SessionOpened) -> Shown:
    try:
        return Shown(
            user=user,
            host_key=Ed25519PublicKey.from_base64(opened.ssh_host_key or ""),
            node_key=None if opened.ssh_node_key is None else Ed25519PublicKey.from_base64(opened.ssh_node_key),
        )
    except AuthException as exc:
        raise ProtocolException("the node shows no host key") from exc


def _check(shown: Shown, session: RemoteSession, key: Ed25519PublicKey | None, nonce: str) -> None:
    meeting = SshMeeting(
        node_id=session.node_id,
        host_key=shown.host_key,
        client_key=key,
        user=shown.user,
        session_id=session.id,
        nonce=nonce,
    )
    try:
        proof = decode_base64_lenient(session.opened.result().ssh_proof or "")
    except ValueError:
        proof = b""
    if shown.node_key is None or not shown.node_key.verify(proof, meeting.message):
        raise ProtocolException("the node's proof of its host key is wrong")

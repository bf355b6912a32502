"""Makes of a request in the mode `ssh` what is started, and what its client hears of it (docs/extensions.md#ssh)."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from omnyshell.errors import AuthException, ErrorCodes, SessionRejectedException
from omnyshell.protocol.messages import NodeSessionOpen
from omnyshell.security.credentials import CredentialProvider, PublicKeyCredentialProvider
from omnyshell.security.keys import Ed25519PublicKey, encode_base64
from omnyshell.security.public_keys import in_ssh_form
from omnyshell.security.ssh_host_proof import SshMeeting
from omnyshell.services.node.ssh import launcher
from omnyshell.services.node.ssh.host_keys import HostKeys

ACCEPTED = (
    *("LANG", "LANGUAGE", "LC_ADDRESS", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION", "LC_MEASUREMENT"),
    *("LC_MESSAGES", "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE", "LC_TIME"),
    *("COLORTERM", "NO_COLOR", "GIT_PROTOCOL"),
)
"""The variables that a client of ssh may say, where the node does not refuse them to requests."""

MOST_NONCE = 128


class SshAnswer(NamedTuple):
    """What a client hears of the host that it will meet."""

    host_key: str
    node_key: str | None
    """The node's enrolled key; None where it logs in with a token."""

    proof: str | None


class SshService:
    """The host keys of a node, and its proofs of them."""

    def __init__(
        self,
        node_id: str,
        state_dir: Path,
        credentials: CredentialProvider,
        refused_variables: Sequence[str],
        include: Path | None,
    ) -> None:
        """`include` is a file of sshd's that its configurations read besides."""
        self._node_id = node_id
        self._keys = HostKeys.of_node(state_dir, node_id)
        self._credentials = credentials
        self._refused = refused_variables
        self._include = include

    def variables(self, request: NodeSessionOpen) -> Mapping[str, str]:
        """Return what the launcher is told. Raises `SessionRejectedException` and `ConfigException`."""
        key, user = self._asked(request)
        if key is None:
            return {launcher.ASKED: ""}
        accepted = [name for name in ACCEPTED if not any(fnmatchcase(name, each) for each in self._refused)]
        asked = launcher.Asked(
            self._keys.in_ssh_form(user),
            in_ssh_form(key),
            accept=accepted,
            agent=request.ssh_agent,
            include=str(self._include) if self._include is not None else "",
        )
        return {launcher.ASKED: asked.text()}

    def answer(self, request: NodeSessionOpen) -> SshAnswer | None:
        """Return what the client is told of the host key; None where it only asks who it would be.

        Raises `SessionRejectedException` and `ConfigException`.
        """
        key, user = self._asked(request)
        if not user:
            return None
        host_key = self._keys.public_key(user)
        if not isinstance(self._credentials, PublicKeyCredentialProvider):
            return SshAnswer(host_key.to_base64(), None, None)
        meeting = SshMeeting(
            node_id=self._node_id,
            host_key=host_key,
            client_key=key,
            user=user,
            session_id=request.session_id,
            nonce=request.ssh_nonce or "",
        )
        enrolled = self._credentials.private_key
        proof = encode_base64(enrolled.sign(meeting.message))
        return SshAnswer(host_key.to_base64(), enrolled.public_key.to_base64(), proof)

    @staticmethod
    def _asked(request: NodeSessionOpen) -> tuple[Ed25519PublicKey | None, str]:
        """Return the client's key and the user; no key for a question, and no user where that is what is asked."""
        if request.ssh_key is None and not request.user:
            return None, ""
        if not request.user or not 0 < len(request.ssh_nonce or "") <= MOST_NONCE:
            raise SessionRejectedException("A user and a nonce belong to ssh", code=ErrorCodes.BAD_REQUEST)
        if request.ssh_key is None:
            return None, request.user
        try:
            return Ed25519PublicKey.from_base64(request.ssh_key), request.user
        except AuthException as exc:
            raise SessionRejectedException("That is no key of ssh-ed25519", code=ErrorCodes.BAD_REQUEST) from exc

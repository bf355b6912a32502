"""The proof that an SSH host key is a node's (docs/security.md#ssh): what is signed, and the signature."""

import msgspec

from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.length_prefix import length_prefixed, utf8

_TAG = b"\xffomnyshell:ssh-host:v1"
"""No text in UTF-8 has its first byte: what is signed as text, as a hub's nonce may be, is no such proof."""


class SshMeeting(msgspec.Struct, frozen=True, kw_only=True):
    """All that a proof is about: which node shows which key, to whom, and in which session."""

    node_id: str
    host_key: Ed25519PublicKey
    client_key: Ed25519PublicKey | None
    """None where the client only asks, and meets nobody."""

    user: str
    """The user of the node's machine whose session it is."""

    session_id: str
    nonce: str
    """What the client chose."""

    @property
    def message(self) -> bytes:
        """What the node's enrolled key signs."""
        return length_prefixed(
            _TAG,
            utf8(self.node_id),
            self.host_key.raw,
            self.client_key.raw if self.client_key is not None else b"",
            utf8(self.user),
            utf8(self.session_id),
            utf8(self.nonce),
        )

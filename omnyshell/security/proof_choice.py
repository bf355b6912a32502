"""Which proof a key may give to a hub: the strongest that the hub accepts, a weaker one only if the user allowed it."""

import re

import msgspec

from omnyshell.errors import ConfigException, Remedy
from omnyshell.protocol.extensions import AUTH_BIND, AUTH_BIND_2
from omnyshell.security.credentials import Proof

_NONCE = r"[A-Za-z0-9_-]{43}"
"""32 bytes in base64 (docs/protocol.md#handshake). Anything else is not signed, as it may be no nonce but another
message."""


def is_nonce(text: str) -> bool:
    """Tell whether a text looks like a hub's nonce, and like nothing else."""
    return re.fullmatch(_NONCE, text) is not None


class NotSignedException(ConfigException):
    """Nothing may be signed for this hub."""


class ProofTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a hub before it sends its `hello`."""

    hub: str
    """Its name in errors."""

    was_bound: bool = False
    """Whether it has ever announced `auth-bind-2`."""

    is_old_friend: bool = False
    """Whether the login, or the node's state, was saved by a version without `auth-bind-2`."""

    allow_unbound: bool = False
    """Whether the user allows this hub weaker proofs."""

    record: str = ""
    """The file that records that the hub announced `auth-bind-2`."""


def choose_proof(announced: frozenset[str], nonce: str, standing: ProofTerms) -> Proof:
    """Return the kind of proof for a hub that announced these extensions.

    Raises `NotSignedException`, which says what to do.
    """
    if AUTH_BIND_2 in announced:
        return Proof.BOUND
    check_not_weaker(standing)
    hub = standing.hub
    proof = Proof.PAIR if AUTH_BIND in announced else Proof.UNBOUND
    if not (standing.allow_unbound or (proof is Proof.PAIR and standing.is_old_friend)):
        kind = "an older version" if proof is Proof.PAIR else "the original's, or an older version"
        text = f"{hub} cannot bind a login to itself, so that it might be used elsewhere (it is {kind}, or a false one)"
        raise NotSignedException(f"{text}. Nothing was signed; update it, or allow it for this hub").advising(
            Remedy.ALLOW_UNBOUND
        )
    if not is_nonce(nonce):
        raise NotSignedException(f"what {hub} wants to have signed is no nonce. Nothing was signed: it is no hub")
    return proof


def check_not_weaker(standing: ProofTerms) -> None:
    """Raise `NotSignedException` where a hub that does not announce `auth-bind-2` has done so before."""
    if not standing.was_bound:
        return
    text = f"{standing.hub} took bound logins before and does not now: it is another one, or an older version again"
    where = f"; where that was you, log out of it and remove its line from {standing.record}" if standing.record else ""
    raise NotSignedException(f"{text}. Nothing was signed{where}")

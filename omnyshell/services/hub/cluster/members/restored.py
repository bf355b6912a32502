"""The line by which the other hubs go by a log that the first one has restored."""

import base64
import binascii

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.security.length_prefix import length_prefixed
from omnyshell.services.hub.cluster.members.identity import Identity

PREFIX = "omnylog-"

_TAG = b"omnyshell-cluster-restored-1"


class Restored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another generation has begun, signed by the hub that founded the cluster."""

    cluster: str
    before: str
    """The generation whose log was lost."""

    generation: str
    applied: int
    """How many changes of that log the new one begins with."""

    signature: bytes = b""

    @property
    def signed(self) -> bytes:
        """What the founder's key signs."""
        texts = (self.cluster, self.before, self.generation, str(self.applied))
        return length_prefixed(_TAG, *(each.encode() for each in texts))


def line_of(restored: Restored, key: Ed25519PrivateKey) -> str:
    """Return the line, signed by the founder's key."""
    signed = msgspec.structs.replace(restored, signature=key.sign(restored.signed))
    return PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(signed)).decode().rstrip("=")


def read_restored(line: str, own: Identity) -> Restored:
    """Read the line at a hub of that cluster. Raises `ConfigException`."""
    body = line.strip().removeprefix(PREFIX)
    try:
        if body == line.strip():
            raise ValueError("it begins otherwise")
        restored = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Restored)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as exc:
        raise ConfigException(f"this is no whole line of `cluster restore`: {exc}") from exc
    if not Ed25519PublicKey(own.founder_key).verify(restored.signature, restored.signed):
        raise ConfigException(f"this line is not from hub '{own.founder}', which founded the cluster")
    if restored.cluster != own.cluster:
        raise ConfigException("this line is another cluster's")
    if restored.generation == own.generation:
        raise ConfigException("this hub goes by that log already")
    if restored.before != own.generation:
        raise ConfigException(f"this line follows the log {restored.before}, and this hub goes by {own.generation}")
    return restored

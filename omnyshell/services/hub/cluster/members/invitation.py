"""What makes a hub one of several: founding, and an invitation as one line of text."""

import base64
import binascii
import secrets
import zlib
from datetime import datetime

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.ids import is_hub_id
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.members.engine_access import EngineKeys, hub_access, server_access, watch_access
from omnyshell.services.hub.cluster.members.engine_users import EngineUsers
from omnyshell.services.hub.cluster.members.identity import ClusterFiles, Identity, Standing
from omnyshell.services.hub.truth.changes import AddMember

PREFIX = "omnyhub-"
_LONGEST = 64 * 1024


class _Invitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identity: Identity
    key: bytes
    engine_key: bytes
    engine_token: str
    watch_token: str


def found(files: ClusterFiles, hub: str, engine: tuple[str, ...], now: datetime) -> None:
    """Make a hub the first of several: it founds when it is started. Raises `ConfigException`."""
    check_hub_id(hub)
    if files.exist():
        raise ConfigException(f"this hub is one of several already: {files.directory}")
    keys, key, engine_key = EngineKeys.generate(), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    identity = Identity(
        cluster=secrets.token_hex(8),
        generation=secrets.token_hex(4),
        hub=hub,
        founder=hub,
        founder_key=key.public_key.raw,
        engine=engine,
        founded_at=now,
        is_founding=True,
    )
    files.write_engine_keys(keys)
    files.write_engine_config(server_access(keys, now))
    files.write_engine_users(EngineUsers())
    token = hub_access(keys, hub, engine_key.public_key, now, founds=True)
    files.write(Standing(identity, key, engine_key, token, watch_access(keys, hub, engine_key.public_key, now)))


def invite(files: ClusterFiles, hub: str, now: datetime) -> tuple[str, AddMember]:
    """Return the line by which a hub joins, and the change that makes it a member.

    Whoever has the line can be that hub. Raises `ConfigException`.
    """
    check_hub_id(hub)
    own, keys = files.read().identity, files.read_engine_keys()
    key, engine_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    invitation = _Invitation(
        identity=msgspec.structs.replace(own, hub=hub, is_founding=False),
        key=key.seed,
        engine_key=engine_key.seed,
        engine_token=hub_access(keys, hub, engine_key.public_key, now),
        watch_token=watch_access(keys, hub, engine_key.public_key, now),
    )
    users = files.read_engine_users()
    users.admit(hub, engine_key.public_key)
    files.write_engine_users(users)
    packed = zlib.compress(msgspec.json.encode(invitation), 9)
    line = PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")
    return line, AddMember(hub, key.public_key.raw, now)


def bar(files: ClusterFiles, hub: str, now: datetime) -> bool:
    """Have the engine's servers know a hub's credentials no more, once they have the new `engine.conf`.

    Return whether there were any. Call it at the founder. Raises `ConfigException`.
    """
    keys, users = files.read_engine_keys(), files.read_engine_users()
    if not users.bar(hub, now):
        return False
    # Servers take no other operator while they run, so that its text has to be what it was when they were started. The
    # configuration comes first: what is interrupted is done by the next attempt.
    files.write_engine_config(server_access(keys, files.read().identity.founded_at, users.barred))
    files.write_engine_users(users)
    return True


def accept(files: ClusterFiles, line: str) -> Identity:
    """Take an invitation up; return who the hub is now. Raises `ConfigException`."""
    if files.exist():
        raise ConfigException(f"this hub is one of several already: {files.directory}")
    invitation = _read(line.strip())
    key, engine_key = map(Ed25519PrivateKey.from_seed, (invitation.key, invitation.engine_key))
    files.write(Standing(invitation.identity, key, engine_key, invitation.engine_token, invitation.watch_token))
    return invitation.identity


def check_hub_id(hub: str) -> None:
    """Check the id of a hub. Raises `ConfigException`."""
    if not is_hub_id(hub):
        raise ConfigException(f"'{hub}' is no id for a hub: use 1 to 32 lower-case letters, digits and '-'")


def _read(line: str) -> _Invitation:
    body = line.removeprefix(PREFIX)
    try:
        if body == line:
            raise ValueError("it begins otherwise")
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), _LONGEST)
        return msgspec.json.decode(raw, type=_Invitation)
    except (ValueError, binascii.Error, zlib.error, msgspec.MsgspecError) as exc:
        raise ConfigException(f"this is no whole invitation for a hub: {exc}") from exc

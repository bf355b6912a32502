"""What makes a hub one of several: founding, and an invitation as one line of text."""

import base64
import binascii
import secrets
import zlib
from datetime import datetime, timedelta

import msgspec

from omnyshell.errors import ConfigException, ErrorCodes, OmnyShellException
from omnyshell.ids import is_hub_id
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.security.length_prefix import length_prefixed
from omnyshell.services.hub.cluster.members.engine_access import (
    EngineKeys,
    hub_access,
    joining_access,
    server_access,
    watch_access,
)
from omnyshell.services.hub.cluster.members.engine_users import EngineUsers, Invited
from omnyshell.services.hub.cluster.members.identity import ClusterFiles, Identity, Standing
from omnyshell.services.hub.truth.member_changes import AddMember

PREFIX = "omnyhub-"
_LONGEST = 64 * 1024


VALID = timedelta(days=1)
"""How long an invitation is good."""

_TAG_ASKED, _TAG_ADMITTED = b"omnyshell-cluster-join-1", b"omnyshell-cluster-admitted-1"


class NotInvitedException(OmnyShellException):
    """Whoever asks to be let in is not; the text says why."""

    default_code = ErrorCodes.BAD_REQUEST


class Invitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the line says: who the hub is to be, and what lets it ask once."""

    identity: Identity
    ticket: bytes
    ticket_token: str
    until: datetime


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An invited hub's question to be let in with its keys, signed by its ticket."""

    key: bytes
    engine_key: bytes
    signature: bytes

    @property
    def keys(self) -> bytes:
        """Both keys."""
        return self.key + self.engine_key


class Admitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The founder's answer, signed by it: the credentials for the keys that were asked for."""

    engine_token: str
    watch_token: str
    signature: bytes


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


def invite(files: ClusterFiles, hub: str, now: datetime) -> str:
    """Return the line by which a hub joins, once, within `VALID`. An earlier one for that hub counts no more.

    Raises `ConfigException`.
    """
    check_hub_id(hub)
    own, keys = files.read().identity, files.read_engine_keys()
    ticket, until = Ed25519PrivateKey.generate(), now + VALID
    invitation = Invitation(
        identity=msgspec.structs.replace(own, hub=hub, is_founding=False),
        ticket=ticket.seed,
        ticket_token=joining_access(keys, hub, ticket.public_key, now, until),
        until=until,
    )
    with files.changing_engine_users() as users:
        if hub == own.hub or hub in users.of_hubs:
            raise ConfigException(
                f"'{hub}' is a hub already: `omnyshell cluster remove {hub}` first, if it is to come anew"
            )
        users.invited[hub] = Invited(ticket.public_key.raw, until)
    packed = zlib.compress(msgspec.json.encode(invitation), 9)
    return PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def check_invited(files: ClusterFiles, hub: str, asked: Asked, now: datetime) -> AddMember:
    """Return the change that makes a member of the hub that asks. Call it at the founder.

    Raises `NotInvitedException`, and `ConfigException`.
    """
    _check_invited(files.read_engine_users(), files.read().identity, hub, asked, now)
    return AddMember(hub, _checked(asked).key, now)


def _check_invited(users: EngineUsers, own: Identity, hub: str, asked: Asked, now: datetime) -> None:
    invited = users.invited.get(hub)
    if invited is None:
        raise NotInvitedException(f"there is no invitation for '{hub}'")
    if invited.used_by not in (b"", asked.keys):
        text = f"if that was somebody else, `omnyshell cluster remove {hub}` now, at another hub"
        raise NotInvitedException(f"the invitation for '{hub}' was used: {text}")
    if now >= invited.until:
        raise NotInvitedException(f"the invitation for '{hub}' was good until {invited.until:%Y-%m-%d %H:%M} UTC")
    if not Ed25519PublicKey(invited.ticket).verify(asked.signature, as_asked(own, hub, asked)):
        raise NotInvitedException(f"this is not the newest invitation for '{hub}'")


def admit(files: ClusterFiles, hub: str, asked: Asked, now: datetime) -> Admitted:
    """Return the credentials of a hub that is a member now, and have its invitation be used up.

    Raises `NotInvitedException` where it counts no more since it was checked, and `ConfigException`.
    """
    standing, keys = files.read(), files.read_engine_keys()
    engine_key = Ed25519PublicKey(asked.engine_key)
    with files.changing_engine_users() as users:
        _check_invited(users, standing.identity, hub, asked, now)
        users.admit(hub, engine_key, asked.keys)
    tokens = hub_access(keys, hub, engine_key, now), watch_access(keys, hub, engine_key, now)
    return Admitted(*tokens, standing.key.sign(_as_admitted(standing.identity, hub, asked, tokens)))


def ask(invitation: Invitation) -> tuple[Ed25519PrivateKey, Ed25519PrivateKey, Asked]:
    """Make a hub's keys, its own and the engine's, and the question to be let in with them."""
    key, engine_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    asked = Asked(key.public_key.raw, engine_key.public_key.raw, b"")
    own = invitation.identity
    signature = Ed25519PrivateKey.from_seed(invitation.ticket).sign(as_asked(own, own.hub, asked))
    return key, engine_key, msgspec.structs.replace(asked, signature=signature)


def check_admitted(invitation: Invitation, asked: Asked, admitted: Admitted) -> None:
    """Check that the founder has let this hub in. Raises `NotInvitedException`."""
    own = invitation.identity
    signed = _as_admitted(own, own.hub, asked, (admitted.engine_token, admitted.watch_token))
    if not Ed25519PublicKey(own.founder_key).verify(admitted.signature, signed):
        raise NotInvitedException(f"what came as the answer is not hub '{own.founder}''s")


def read_invitation(line: str) -> Invitation:
    """Read the line. Raises `ConfigException`."""
    return _read(line.strip())


def _checked(asked: Asked) -> Asked:
    try:
        _ = Ed25519PublicKey(asked.key), Ed25519PublicKey(asked.engine_key)
    except OmnyShellException as exc:
        raise NotInvitedException("the hub that asks names no keys") from exc
    return asked


def as_asked(own: Identity, hub: str, asked: Asked) -> bytes:
    """Return what a ticket signs."""
    return length_prefixed(_TAG_ASKED, own.cluster.encode(), hub.encode(), asked.key, asked.engine_key)


def _as_admitted(own: Identity, hub: str, asked: Asked, tokens: tuple[str, str]) -> bytes:
    told = (token.encode() for token in tokens)
    return length_prefixed(_TAG_ADMITTED, own.cluster.encode(), hub.encode(), asked.key, asked.engine_key, *told)


def bar(files: ClusterFiles, hub: str) -> bool:
    """Have the engine's servers know a hub's credentials no more, once they have the new `engine.conf`.

    Return whether there were any. Call it at the founder. Raises `ConfigException`.
    """
    keys = files.read_engine_keys()
    with files.changing_engine_users() as users:
        is_barred = users.bar(hub)
        if is_barred:
            # Servers take no other operator while they run, so that its text has to be what it was when they were
            # started. The configuration comes first: what is interrupted is done by the next attempt.
            files.write_engine_config(server_access(keys, files.read().identity.founded_at, users.barred))
    return is_barred


def check_hub_id(hub: str) -> None:
    """Check the id of a hub. Raises `ConfigException`."""
    if not is_hub_id(hub):
        raise ConfigException(f"'{hub}' is no id for a hub: use 1 to 32 lower-case letters, digits and '-'")


def _read(line: str) -> Invitation:
    body = line.removeprefix(PREFIX)
    try:
        if body == line:
            raise ValueError("it begins otherwise")
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), _LONGEST)
        return msgspec.json.decode(raw, type=Invitation)
    except (ValueError, binascii.Error, zlib.error, msgspec.MsgspecError) as exc:
        raise ConfigException(f"this is no whole invitation for a hub: {exc}") from exc

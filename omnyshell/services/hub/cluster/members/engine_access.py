"""Who may do what on the engine: credentials that its servers check by themselves, signed like those of `nsc`.

NATS calls them operator, account and user, JSON web tokens of its own kind, signed by Ed25519. The operator and the
account stand in the servers' configuration; a hub's user does not, so that nothing there changes when a hub comes.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey

UNLIMITED = -1
HOW_SERVERS_STORE = "$SYS.REQ.SERVER.PING.JSZ"
"""What all servers answer, each for itself, whom the account of servers asks."""

JOINING = "omnyshell.joining"
"""What the subjects begin with on which invited hubs ask to be let in."""

_ANSWER_WITHIN = 10 * 10**9
_CONSUMERS = 8


class Kind(Enum):
    """What a key is for: the byte that its text form begins with."""

    OPERATOR = 14 << 3
    ACCOUNT = 0
    USER = 20 << 3


class EngineKeys(NamedTuple):
    """The keys that the servers' configuration comes from, and hubs' credentials; they stay with who founded."""

    operator: Ed25519PrivateKey
    account: Ed25519PrivateKey
    system: Ed25519PrivateKey
    """Of the account for the servers themselves, which JetStream needs; hubs may ask one thing in it."""

    @classmethod
    def generate(cls) -> "EngineKeys":
        """Make fresh keys."""
        return cls(*(Ed25519PrivateKey.generate() for _ in cls._fields))


def key_text(kind: Kind, key: Ed25519PublicKey) -> str:
    """Return a public key as NATS writes it: base32, with a checksum."""
    raw = bytes([kind.value]) + key.raw
    return base64.b32encode(raw + _crc16(raw).to_bytes(2, "little")).decode().rstrip("=")


def server_access(keys: EngineKeys, now: datetime, barred: Mapping[str, int] | None = None) -> str:
    """Return the part of a server's configuration that says whom it believes.

    `barred` are public keys of users, in NATS' text form, whose credentials of up to that Unix time count no more.
    """
    account, system = (key_text(Kind.ACCOUNT, key.public_key) for key in (keys.account, keys.system))
    operator = key_text(Kind.OPERATOR, keys.operator.public_key)
    own: dict[str, Any] = {"type": "operator", "version": 2, "system_account": system}
    limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), UNLIMITED)
    stores = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), UNLIMITED)
    given: dict[str, Any] = {"type": "account", "version": 2, "limits": {**limits, "wildcards": True}}
    if barred:
        given["revocations"] = dict(barred)
    hubs = {**given, "limits": {**given["limits"], **stores}}
    by = (Kind.OPERATOR, keys.operator)
    return f"""operator: {_token(by, operator, "omnyshell", own, now)}
system_account: {system}
resolver: MEMORY
resolver_preload: {{
  {account}: {_token(by, account, "hubs", hubs, now)}
  {system}: {_token(by, system, "servers", given, now)}
}}
"""


def consumers_of(hub: str) -> tuple[str, ...]:
    """Return the names of what a hub reads a stream by, one after another: one that is left takes a while to go."""
    return tuple(f"{hub}_{number}" for number in range(_CONSUMERS))


def hub_access(keys: EngineKeys, hub: str, key: Ed25519PublicKey, now: datetime, *, founds: bool = False) -> str:
    """Return the credential of a hub for its key; with `founds` it may also make the streams.

    It may write under its own name alone, of any generation, and read all that hubs write.
    """
    may_write = [f"omnyshell.*.truth.{hub}", f"omnyshell.*.places.{hub}.>"]
    consumers = consumers_of(hub)
    asks = ["STREAM.INFO.*", "STREAM.MSG.GET.*", *(f"CONSUMER.CREATE.*.{name}" for name in consumers)]
    if founds:
        asks.append("STREAM.CREATE.*")
    # What a hub has read it says by itself, or the engine would cut off one to which it has more to send than it takes.
    has_read = (f"$JS.FC.*.{name}.>" for name in consumers)
    may_publish = [*may_write, *(f"$JS.API.{each}" for each in asks), *has_read]
    permissions = _permissions(hub, may_publish)
    if founds:
        # Who is invited is answered by this hub, to wherever the answer is to go, once a question.
        permissions["sub"]["allow"].append(f"{JOINING}.*")
        permissions["resp"] = {"max": 1, "ttl": _ANSWER_WITHIN}
    return _user((Kind.ACCOUNT, keys.account), hub, key, permissions, now)


def inbox_of(name: str) -> str:
    """Return what the subjects begin with on which a connection of that name may hear, before a dot."""
    return f"_INBOX_{name}"


def joining_name(hub: str) -> str:
    """Return what a hub's connection is called while it asks to be let in: the id of no hub."""
    return f"{hub}_joins"


def joining_access(keys: EngineKeys, hub: str, key: Ed25519PublicKey, now: datetime, until: datetime) -> str:
    """Return the credential by which an invited hub asks to be let in, until a time; it may do nothing else."""
    permissions = _permissions(joining_name(hub), [f"{JOINING}.{hub}"])
    return _user((Kind.ACCOUNT, keys.account), joining_name(hub), key, permissions, now, until)


def watch_access(keys: EngineKeys, hub: str, key: Ed25519PublicKey, now: datetime) -> str:
    """Return the credential by which a hub asks servers how they store, with the same key; it may do nothing else."""
    return _user((Kind.ACCOUNT, keys.system), hub, key, _permissions(hub, [HOW_SERVERS_STORE]), now)


def _permissions(name: str, may_publish: list[str]) -> dict[str, Any]:
    return {"pub": {"allow": may_publish}, "sub": {"allow": [f"{inbox_of(name)}.>"]}}


def _user(
    by: tuple[Kind, Ed25519PrivateKey],
    name: str,
    key: Ed25519PublicKey,
    permissions: dict[str, Any],
    now: datetime,
    until: datetime | None = None,
) -> str:
    limits = dict.fromkeys(("subs", "data", "payload"), UNLIMITED)
    own = {"type": "user", "version": 2, **limits, **permissions}
    return _token(by, key_text(Kind.USER, key), name, own, now, until)


def _token(
    by: tuple[Kind, Ed25519PrivateKey],
    subject: str,
    name: str,
    own: dict[str, Any],
    now: datetime,
    until: datetime | None = None,
) -> str:
    kind, key = by
    claims: dict[str, Any] = {
        "iat": int(now.timestamp()),
        "iss": key_text(kind, key.public_key),
        "name": name,
        "sub": subject,
        "nats": own,
    }
    if until is not None:
        claims["exp"] = int(until.timestamp())
    id_ = base64.b32encode(hashlib.sha256(msgspec.json.encode(claims)).digest()).decode().rstrip("=")
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    signed = f"{_part(msgspec.json.encode(head))}.{_part(msgspec.json.encode(claims | {'jti': id_}))}"
    return f"{signed}.{_part(key.sign(signed.encode()))}"


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _crc16(data: bytes) -> int:
    """Return the checksum of CRC-16/XMODEM."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021) & 0xFFFF if value & 0x8000 else value << 1
    return value

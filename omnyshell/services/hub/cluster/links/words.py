"""What hubs say to each other on a link beside the messages of channels.

A word is a JSON object with its `type`; messages of channels have a `t` in that place, as on every connection.
"""

from datetime import datetime
from typing import Annotated, Union, get_args

import msgspec

from omnyshell.ids import MAX_CHANNEL_ID
from omnyshell.protocol.limits import KIB, MAX_MESSAGE_FROM_HUB
from omnyshell.services.hub.ground.json_values import decoded

LONGEST = MAX_MESSAGE_FROM_HUB + 64 * KIB
"""Bytes of a word at most: it may hold a whole answer to a client."""

_Name = Annotated[str, msgspec.Meta(max_length=256)]
_Text = Annotated[str, msgspec.Meta(max_length=4096)]


class PeerCame(msgspec.Struct, frozen=True, tag="peer.came"):
    """A client of this hub is about to use nodes of the other one."""

    peer: _Name
    """Its connection's id at this hub."""

    principal: _Name
    roles: Annotated[tuple[_Name, ...], msgspec.Meta(max_length=1024)]
    """Those of its login; the other hub gives it none beyond those that it knows itself."""

    address: _Name
    features: Annotated[tuple[_Name, ...], msgspec.Meta(max_length=256)]
    """The extensions that it and this hub announced."""

    connected_at: datetime
    applied: int = 0
    """How many changes of what is true this hub has applied: the other one waits until it knows as much."""


class PeerLeft(msgspec.Struct, frozen=True, tag="peer.left"):
    """A client of this hub has left: what it has at the other hub ends, or is kept, as where it left there."""

    peer: _Name


class PeerEnded(msgspec.Struct, frozen=True, tag="peer.ended"):
    """A client of the other hub may have nothing here any more."""

    peer: _Name
    text: _Text


class Open(msgspec.Struct, frozen=True, tag="open"):
    """A client of this hub asks for a session at a node of the other one."""

    peer: _Name
    channel: Annotated[int, msgspec.Meta(gt=0, le=MAX_CHANNEL_ID)]
    """The session's channel on the link."""

    session: Annotated[str, msgspec.Meta(pattern="^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    """The session's id, by which both hubs audit it."""

    epoch: int
    """That by which the other hub has the node."""

    request: msgspec.Raw
    """The client's `session.open`."""


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A client of this hub asks about sessions at a node of the other one."""

    peer: _Name
    epoch: int
    request: msgspec.Raw
    """The client's request, under an id of this hub's."""


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """What a client of the other hub asked is answered."""

    peer: _Name
    answer: msgspec.Raw
    """The answer to the client, with the id of the request."""


class ViewAsked(msgspec.Struct, frozen=True, tag="view.asked"):
    """The other hub is to tell what is live there, from a snapshot on, in place of what was asked for before.

    With the number 0, what was asked for goes on, and has nodes' vitals from now on or not.
    """

    number: Annotated[int, msgspec.Meta(ge=0)]
    """Stands as the id of the subscription in what it is told."""

    vitals: bool = False
    """Whether it is told of nodes' vitals too."""


class ViewLeft(msgspec.Struct, frozen=True, tag="view.left"):
    """The other hub is to tell nothing any more of what is live there."""


class ViewTold(msgspec.Struct, frozen=True, tag="view.told"):
    """What is live at this hub."""

    message: msgspec.Raw
    """A message of the extension `events`, as a client would get it that may see everything."""


class Denied(msgspec.Struct, frozen=True, tag="denied"):
    """A lock or revocation that is not in the hubs' log yet, as the engine is away."""

    hub: _Name
    """At which it was made: that of this link, or one whose word this link's passes on."""

    body: bytes
    """The transaction."""

    signature: bytes
    """That hub's."""


_MOST_HEADS = 64
_Hash = Annotated[bytes, msgspec.Meta(max_length=64)]


class AuditHead(msgspec.Struct, frozen=True, tag="audit.head"):
    """Where a hub's audit trail ends: on its own this hub's, in `HeadsHeld` the other's, as it said it."""

    key: _Hash
    """The public key that signs the trail: the trail's id."""

    seq: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
    hash: _Hash
    at: _Name
    signature: _Hash


class HeadsHeld(msgspec.Struct, frozen=True, tag="audit.heads.held"):
    """What this hub was told of the other one's trail, to be asked what that has there now."""

    number: int
    """Of this question, which its answer repeats."""

    heads: Annotated[tuple[AuditHead, ...], msgspec.Meta(max_length=_MOST_HEADS)]


class HeadsShown(msgspec.Struct, frozen=True, tag="audit.heads.shown"):
    """What this hub's trail has at the numbers that the other asked for; what it lacks is not there."""

    number: int
    hashes: Annotated[dict[int, _Hash], msgspec.Meta(max_length=_MOST_HEADS + 1)]
    removed: int = 0
    """Up to which number retention has removed records."""


class AuditAsked(msgspec.Struct, frozen=True, tag="audit.asked"):
    """An administrator of this hub asks for a page of the other one's audit trail."""

    number: int
    """Of this question, which its answer repeats."""

    principal: _Name
    roles: Annotated[tuple[_Name, ...], msgspec.Meta(max_length=1024)]
    """Those of the login; the other hub gives it none beyond those that it knows itself."""

    address: _Name
    request: msgspec.Raw
    """The administrator's request."""


class AuditShown(msgspec.Struct, frozen=True, tag="audit.shown"):
    """What an administrator of the other hub asked for."""

    number: int
    answer: msgspec.Raw
    """The page, or the refusal."""


Word = Union[  # noqa: UP007  # msgspec wants a type that exists at run time
    PeerCame,
    PeerLeft,
    PeerEnded,
    Open,
    Ask,
    Answered,
    ViewAsked,
    ViewLeft,
    ViewTold,
    Denied,
    AuditHead,
    HeadsHeld,
    HeadsShown,
    AuditAsked,
    AuditShown,
]

_TAGS = frozenset(kind.__struct_config__.tag for kind in get_args(Word))
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Word] = msgspec.json.Decoder(Word)
_START = b'{"type":"'


def encode(word: Word) -> bytes:
    """Return a word as bytes."""
    return _encoder.encode(word)


def is_word(raw: bytes) -> bool:
    """Tell words from the messages of channels."""
    return raw.startswith(_START)


def decode(raw: bytes) -> Word | None:
    """Decode a word; None for one that only a newer hub knows. Raises `ValueError`."""
    tag = raw[len(_START) : len(_START) + 64].partition(b'"')[0].decode(errors="replace")
    if tag not in _TAGS:
        return None
    if len(raw) > LONGEST:
        raise ValueError(f"a word is longer than {LONGEST} bytes")
    try:
        return decoded(_decoder, raw)
    except ValueError as exc:
        raise ValueError(f"a word cannot be read: {exc}") from exc

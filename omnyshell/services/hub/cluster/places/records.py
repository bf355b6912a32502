"""What hubs write about who is where: values in one ordered stream.

A newer hub may say more, which is let pass: hubs are upgraded one after another (docs/cluster.md#upgrading).
"""

from typing import Annotated, Union

import msgspec

from omnyshell.model.hubs import USUAL_WEIGHT
from omnyshell.protocol.limits import MOST_EPOCHS
from omnyshell.security.keys import KEY_BYTES, SIGNATURE_BYTES
from omnyshell.services.hub.ground.json_values import decoded

_LONGEST_PLACE = 300
"""More characters than any host has, with its port."""

_Count = Annotated[int, msgspec.Meta(ge=0, lt=MOST_EPOCHS)]
_Process = Annotated[str, msgspec.Meta(max_length=128)]
_Short = Annotated[str, msgspec.Meta(max_length=64)]
_Digests = Annotated[dict[_Short, _Short], msgspec.Meta(max_length=16)]


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """A hub says that it is there; `run` grows by one each time that it is started."""

    run: _Count
    process: _Process
    """Names the process, as two may begin a run at once."""

    read: _Count
    """The number of the last record that it had read: it knows what has moved away from it until then."""

    applied: _Count = 0
    """The number of the last change of what is true that it has applied."""

    files: _Digests = msgspec.field(default_factory=dict)
    """Digests of what it reads of files of its own, by the name of each: they may differ between hubs."""

    is_last: bool = False
    """Whether it serves nothing any more, as it stops."""

    links: Annotated[str, msgspec.Meta(max_length=_LONGEST_PLACE)] = ""
    """Where others reach it by a link, as HOST:PORT; empty where they do not."""

    url: Annotated[str, msgspec.Meta(max_length=_LONGEST_PLACE)] = ""
    """Where nodes and clients reach it; empty where it does not know."""

    proves: bool = False
    """Whether it passes on the proofs of nodes that they are there; see `Entry.proof`."""

    unknown: _Count = 0
    """The number of the change of what is true that it is too old for, and where it has stopped."""

    weight: Annotated[int, msgspec.Meta(ge=0, le=1000)] = USUAL_WEIGHT
    """How many nodes and clients come to it when another hub ends, beside the weights of others."""

    clock: Annotated[float, msgspec.Meta(ge=0, lt=1e11)] = 0.0
    """What time its machine had when it was sent, in Unix seconds; 0 where it does not say."""


class Entry(msgspec.Struct, frozen=True, tag="node"):
    """A hub says which process has a node id there, or by `is_gone` that none has it any more."""

    node_id: str
    run: _Count
    """The run of the hub whose word it is."""

    epoch: _Count
    """Grows with each process and each hub that takes the id."""

    instance: _Process
    """Names the process."""

    about: bytes = b""
    """What hubs tell each other of the node; nothing here looks at it."""

    is_gone: bool = False

    key: Annotated[bytes, msgspec.Meta(max_length=KEY_BYTES)] = b""
    """The key of the node's owner that has signed `proof`; empty without one."""

    proof: Annotated[bytes, msgspec.Meta(max_length=SIGNATURE_BYTES)] = b""
    """Its signature over the place, as `ProvenPlace` has it."""


Record = Union[Beat, Entry]  # noqa: UP007  # msgspec wants a type that exists at run time

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return a record as bytes; equal records give equal bytes."""
    return _encoder.encode(record)


def decode(raw: bytes) -> Record:
    """Decode a record. Raises `ValueError` for bytes that are none, or a kind of a newer version."""
    return decoded(_decoder, raw)

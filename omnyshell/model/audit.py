"""One entry of the audit trail, and the JSON it is kept and exported as."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

import msgspec

from omnyshell.model.schema import camel_case, read_timestamp
from omnyshell.printable import printable_json

TEXT_FIELDS = ("action", "outcome", "principal", "address", "node_id", "session_id", "reason", "detail", "command")
_JSON_NAMES = {name: camel_case(name) for name in TEXT_FIELDS}


class AuditRecord(msgspec.Struct, frozen=True):
    """Who did what, from where, on which node and session, and how it ended.

    `action` is a dotted name such as `session.open`; `outcome` is `ok`, `denied` or `error`.
    """

    at: datetime
    action: str
    outcome: str = "ok"
    principal: str = ""
    address: str = ""
    node_id: str = ""
    session_id: str = ""
    reason: str = ""
    detail: str = ""
    command: str = ""
    """What a session was asked to run, as far as the hub keeps that."""

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Read a record from plain JSON. Raises `ValueError` where it is not one."""
        texts = {name: data.get(wire, "") for name, wire in _JSON_NAMES.items()}
        at = data.get("at")
        if not isinstance(at, str) or not all(isinstance(value, str) for value in texts.values()):
            raise ValueError("not an audit record")
        return cls(at=read_timestamp(at), **{name: str(value) for name, value in texts.items()})


class RecordOfHub(AuditRecord, frozen=True):
    """A record, and which of several hubs has it."""

    hub: str = ""


class _Line(msgspec.Struct, rename="camel", omit_defaults=True):
    """A record with its number; empty fields are left out."""

    seq: int
    at: datetime
    action: str
    outcome: str
    principal: str = ""
    address: str = ""
    node_id: str = ""
    session_id: str = ""
    reason: str = ""
    detail: str = ""
    command: str = ""


_DEL = b"\x7f"
"""The one character of ASCII that JSON leaves as it is, and a terminal does not."""

_encoder = msgspec.json.Encoder(order="sorted")


def canonical_json(seq: int, record: AuditRecord) -> bytes:
    """Return the record and its number as JSON in its one form: keys sorted, no white space, UTF-8.

    What is not printable is escaped. Text that is not valid Unicode is kept with its stray code points escaped.
    """
    texts = (
        record.action,
        record.outcome,
        record.principal,
        record.address,
        record.node_id,
        record.session_id,
        record.reason,
        record.detail,
        record.command,
    )
    try:
        line = _encoder.encode(_Line(seq, record.at, *texts))
    except UnicodeEncodeError:
        valid = (text.encode("utf-8", "backslashreplace").decode() for text in texts)
        line = _encoder.encode(_Line(seq, record.at, *valid))
    return line if line.isascii() and _DEL not in line else printable_json(line.decode()).encode()

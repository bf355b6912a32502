"""One entry of the audit trail, and the JSON it is kept and exported as."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import msgspec

from omnyshell.model.schema import camel_case, read_timestamp, write_timestamp

TEXT_FIELDS = ("action", "outcome", "principal", "address", "node_id", "session_id", "reason", "detail")
_JSON_NAMES = {name: camel_case(name) for name in TEXT_FIELDS}


@dataclass(frozen=True, slots=True)
class AuditRecord:
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

    def to_json(self) -> dict[str, object]:
        """Return the record as plain JSON; empty fields are left out."""
        data: dict[str, object] = {"at": write_timestamp(self.at)}
        for name, wire in _JSON_NAMES.items():
            value = getattr(self, name)
            if value:
                data[wire] = value
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Read a record from plain JSON. Raises `ValueError` where it is not one."""
        texts = {name: data.get(wire, "") for name, wire in _JSON_NAMES.items()}
        at = data.get("at")
        if not isinstance(at, str) or not all(isinstance(value, str) for value in texts.values()):
            raise ValueError("not an audit record")
        return cls(at=read_timestamp(at), **{name: str(value) for name, value in texts.items()})


_encoder = msgspec.json.Encoder(order="deterministic")


def canonical_json(data: Mapping[str, object]) -> bytes:
    """Return JSON in its one form: keys sorted, no white space, UTF-8.

    Text that is not valid Unicode is kept with its stray code points escaped.
    """
    try:
        return _encoder.encode(data)
    except UnicodeEncodeError:
        return _encoder.encode({key: _valid(value) for key, value in data.items()})


def _valid(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value

"""A body for every message type, made from its declaration."""

from collections.abc import Iterator
from typing import Any

from support.declarations import every_message

from omnyshell import ProtocolException
from omnyshell.model.schema import wire_fields
from omnyshell.protocol.messages import ControlMessage

_CANDIDATES: tuple[Any, ...] = (
    1,
    True,
    "n1",
    "2026-01-02T03:04:05.678Z",
    {"os": "linux", "arch": "x64"},
    [],
    "node",
    "0a1b2c3d-0000-4000-8000-000000000000",
    "hub_u",
    "omnyhub-x",
    "sha256:" + "0" * 64,
    {"startedAt": "2026-01-02T03:04:05.678Z"},
    {"principal": "ann"},
)


def declarations() -> list[type[ControlMessage]]:
    """Every message that there is."""
    return sorted(every_message(), key=lambda declared: declared.TYPE)


def sample(declared: type[ControlMessage], *, every_field: bool) -> dict[str, Any]:
    """A body that can be read: with every field, or with those alone that may not be missing."""
    chosen = (field for field in wire_fields(declared) if every_field or field.required)
    return {field.wire: next(_readable(field.read)) for field in chosen}


def _readable(read: Any) -> Iterator[Any]:
    for candidate in _CANDIDATES:
        try:
            read(candidate, "sample")
        except ProtocolException:
            continue
        yield candidate

"""Everything that is declared to travel, with its fields: what tests are generated from."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import omnyshell
from omnyshell.model.schema import (
    Grammar,
    Mark,
    WireField,
    WireObject,
    field_annotation,
    split_annotation,
    wire_fields,
)
from omnyshell.protocol.messages import ControlMessage


class DeclaredField(NamedTuple):
    """A field of a declaration."""

    owner: type[WireObject]
    field: WireField
    kind: Any
    """Its type, without marks."""

    marks: frozenset[Mark]
    grammar: Grammar | None

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.field.name}"


@cache
def every_declaration() -> tuple[type[WireObject], ...]:
    """Every class of the package that travels, wherever it is declared."""
    for module in pkgutil.walk_packages(omnyshell.__path__, "omnyshell."):
        importlib.import_module(module.name)
    found = {cls for cls in _below(WireObject) if cls.__module__.startswith("omnyshell.")}
    return tuple(sorted(found, key=lambda cls: (cls.__module__, cls.__name__)))


def every_message() -> list[type[ControlMessage]]:
    """Every message: a declaration with a type of its own."""
    return [cls for cls in every_declaration() if issubclass(cls, ControlMessage) and hasattr(cls, "TYPE")]


@cache
def fields_of(cls: type[WireObject]) -> tuple[DeclaredField, ...]:
    """The fields of a declaration."""
    return tuple(
        DeclaredField(cls, field, *split_annotation(field_annotation(cls, field.name))) for field in wire_fields(cls)
    )


def _below(cls: type[WireObject]) -> Iterator[type[WireObject]]:
    for child in cls.__subclasses__():
        yield child
        yield from _below(child)

"""One declaration for each thing that travels as JSON; reading and writing derive from it.

A class derived from `WireObject` lists its fields with types and defaults. From those this module
makes a strict reader and a writer by the rules of docs/protocol.md#reading. Python names are the wire's in snake case.

What an annotation means:

- `str`, `int`, `bool`: exactly that JSON type; an int fits 64 bits, a bool is no int, nor is `1.0`.
- `datetime`: an ISO-8601 timestamp; always aware, in UTC.
- an enum: a JSON string; its `_missing_` decides what an unknown value reads as.
- `dict[str, str]`, `tuple[str, ...]`: string map and string list; values become strings.
- `dict[str, object]`: a free map; any other value reads as empty.
- a `WireObject`: a nested object. `tuple[WireObject, ...]`: a list of them; any other value reads as empty.
- `T | None`: may be missing. null counts as missing everywhere.

Declarations with fields say `kw_only=True` themselves: msgspec does not inherit it.

A field with a default may be missing when read. Whether it is *written* when it holds nothing is marked:
`Annotated[T, OMIT]` is the `?` of the protocol's tables.

What a peer sends is hostile. Each text and each number says, by one mark, what it may be: a `Grammar` of
`model/grammars.py`, held against the value where it is read; `ANSWERED`, where the receiver checks the value itself
because the protocol has an answer for a wrong one; or `FREE`. A test fails for a field without a mark.
"""

import json
import types
from collections.abc import Callable, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, Self, Union, get_args, get_origin

import msgspec

from omnyshell.errors import ImproperValueException, ProtocolException

Reader = Callable[[Any, str], Any]
"""Turns a plain JSON value, found at the named place, into the field's value; raises `ProtocolException`."""

Writer = Callable[[Any], Any]

_compact_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_INT_MIN = -(2**63)
_INT_END = 2**63


class Mark(Enum):
    """Marks inside `Annotated` that change how a field is read or written."""

    OMIT = "left out when null, empty, false or equal to its default"
    OMIT_EMPTY = "OMIT, and also left out when it is the empty string"
    STRICT_ITEMS = "an element that is no object is an error, not skipped"
    ANSWERED = "the receiver looks the value up or checks it, and answers what is wrong with it"
    FREE = "any value of its type: made printable where it is shown, and as long as its message lets it be"


OMIT, OMIT_EMPTY, STRICT_ITEMS = Mark.OMIT, Mark.OMIT_EMPTY, Mark.STRICT_ITEMS
ANSWERED, FREE = Mark.ANSWERED, Mark.FREE


class Grammar(NamedTuple):
    """What the values of a field may be: a mark inside `Annotated`."""

    rule: str
    """Its wording after "must be"."""

    fits: Callable[[Any], bool]
    """Tells whether a value of the field's type conforms."""


class WireObject(msgspec.Struct):
    """Base of everything that is declared once and travels as a JSON object."""

    @classmethod
    def from_wire(cls, data: Mapping[str, object], where: str = "") -> Self:
        """Read the object from plain JSON; unknown keys are ignored.

        Raises `ProtocolException` naming the field, prefixed by `where`, that is missing or mistyped;
        `ImproperValueException` for one that breaks its grammar.
        """
        values: dict[str, Any] = {}
        try:
            for name, wire, required, read in _reading_plan(cls):
                raw = data.get(wire)
                if raw is not None:
                    values[name] = read(raw, wire)
                elif required:
                    raise ProtocolException("is missing", field=wire)
        except ProtocolException as exc:
            exc.field = f"{where}{exc.field}"
            raise
        return cls(**values)

    def to_wire(self) -> dict[str, object]:
        """Return the object as plain JSON, without the fields that the protocol leaves out."""
        data: dict[str, object] = {}
        for field in wire_fields(type(self)):
            value = getattr(self, field.name)
            if value is not None and (not field.omit or field.is_written(value)):
                data[field.wire] = value if field.write is None else field.write(value)
        return data


class WireField(NamedTuple):
    """How one field is read and written; derived from its annotation."""

    name: str
    wire: str
    required: bool
    default: Any
    read: Reader
    write: Writer | None
    omit: bool
    omit_empty: bool

    def is_written(self, value: Any) -> bool:
        """Tell whether this value of an `OMIT` field appears on the wire (docs/protocol.md#writing)."""
        if value is False or value in ((), {}):
            return False
        if self.omit_empty and value == "":
            return False
        return bool(self.default is msgspec.NODEFAULT or value != self.default)


@cache
def wire_fields(cls: type[WireObject]) -> tuple[WireField, ...]:
    """The fields of a declaration, in its order."""
    return tuple(_field(info, cls) for info in msgspec.structs.fields(cls))


@cache
def _reading_plan(cls: type[WireObject]) -> tuple[tuple[str, str, bool, Reader], ...]:
    """Name, wire name, necessity and reader of each field, cached because every message is read by it."""
    return tuple((field.name, field.wire, field.required, field.read) for field in wire_fields(cls))


def _field(info: msgspec.structs.FieldInfo, cls: type[WireObject]) -> WireField:
    annotation, marks, grammar = split_annotation(field_annotation(cls, info.name))
    default = info.default
    if info.default_factory is not msgspec.NODEFAULT:
        default = info.default_factory()
    read, write = _codec_for(annotation, marks)
    if grammar is not None:
        read = _str_reader(grammar) if annotation is str else _proper_reader(read, grammar)
    return WireField(
        name=info.name,
        wire=camel_case(info.name),
        required=info.required,
        default=default,
        read=read,
        write=write,
        omit=OMIT in marks or OMIT_EMPTY in marks,
        omit_empty=OMIT_EMPTY in marks,
    )


def field_annotation(cls: type, name: str) -> Any:
    """Return how a declaration, or one that it is derived from, annotates a field."""
    for base in cls.__mro__:
        # Of a class these are its own alone; `inspect` would take a thirtieth of a cold command to load.
        annotations = getattr(base, "__annotations__", {})
        if name in annotations:
            return annotations[name]
    raise TypeError(f"{cls.__name__}.{name} has no annotation")


def split_annotation(annotation: Any) -> tuple[Any, frozenset[Mark], Grammar | None]:
    """Take `Annotated` and `| None` off an annotation; returns its marks, and its grammar where it has one."""
    extras: list[Any] = []
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = (arg for arg in get_args(annotation) if arg is not type(None))
    marks = frozenset(mark for mark in extras if isinstance(mark, Mark))
    return annotation, marks, next((extra for extra in extras if isinstance(extra, Grammar)), None)


def _codec_for(annotation: Any, marks: frozenset[Mark]) -> tuple[Reader, Writer | None]:
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if get_origin(annotation) is tuple:
        return _object_list_reader(get_args(annotation)[0], strict=STRICT_ITEMS in marks), _write_objects
    if issubclass(annotation, StrEnum):
        return _enum_reader(annotation), str
    if issubclass(annotation, WireObject):
        return _object_reader(annotation), annotation.to_wire
    raise TypeError(f"no wire form for {annotation!r}")


def camel_case(name: str) -> str:
    """Return a snake-case name in the wire's spelling: `node_id` -> `nodeId`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def read_timestamp(text: str) -> datetime:
    """Parse an ISO-8601 timestamp; one without offset is taken as UTC. Raises `ValueError`.

    A timestamp in year 1 or 9999, there or in UTC, is refused: converting it to another time zone could overflow.
    """
    parsed = _in_the_calendar(datetime.fromisoformat(f"{text[:-1]}Z" if text.endswith("z") else text))
    if parsed.tzinfo is UTC:
        return parsed
    # What is passed on is written in UTC, and has to be good there as well.
    return _in_the_calendar(parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC))


def _in_the_calendar(moment: datetime) -> datetime:
    if not MINYEAR < moment.year < MAXYEAR:
        raise ValueError("out of the calendar")
    return moment


def write_timestamp(moment: datetime) -> str:
    """Return UTC with `Z` and three fraction digits, or six where there are microseconds.

    The original writes the same, so an echoed timestamp comes back unchanged.
    """
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def _mistyped(expected: str, where: str) -> ProtocolException:
    return ProtocolException(f"must be {expected}", field=where)


def _improper(grammar: Grammar, where: str) -> ProtocolException:
    return ImproperValueException(f"must be {grammar.rule}", field=where)


def _str_reader(grammar: Grammar) -> Reader:
    fits = grammar.fits

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str):
            raise _mistyped("a string", where)
        if not fits(value):
            raise _improper(grammar, where)
        return value

    return read


def _proper_reader(read_any: Reader, grammar: Grammar) -> Reader:
    fits = grammar.fits

    def read(value: Any, where: str) -> Any:
        result = read_any(value, where)
        if not fits(result):
            raise _improper(grammar, where)
        return result

    return read


def _read_str(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    raise _mistyped("a string", where)


def _read_int(value: Any, where: str) -> int:
    if type(value) is int and _INT_MIN <= value < _INT_END:
        return value
    raise _mistyped("an integer of 64 bits", where)


def _read_bool(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise _mistyped("true or false", where)


def _read_datetime(value: Any, where: str) -> datetime:
    try:
        return read_timestamp(_read_str(value, where))
    except ValueError as exc:
        raise _mistyped("an ISO-8601 timestamp", where) from exc


def _as_text(value: Any) -> str:
    """A value inside a string map or list, as a string: docs/protocol.md#reading."""
    if isinstance(value, str):
        return value
    # A peer may send hundreds of thousands of these values: plain ints need no encoder.
    return str(value) if type(value) is int else _compact_json(value)


def _read_string_map(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _mistyped("an object", where)
    return {key: _as_text(item) for key, item in value.items()}


def _read_string_list(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _mistyped("a list", where)
    return tuple(_as_text(item) for item in value)


def _read_free_map(value: Any, _where: str) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _object_reader(cls: type[WireObject]) -> Reader:
    def read(value: Any, where: str) -> WireObject:
        if not isinstance(value, dict):
            raise _mistyped("an object", where)
        return cls.from_wire(value, where + ".")

    return read


def _object_list_reader(cls: type[WireObject], *, strict: bool) -> Reader:
    def read(value: Any, where: str) -> tuple[WireObject, ...]:
        if not isinstance(value, list):
            return ()
        if strict and not all(isinstance(item, dict) for item in value):
            raise _mistyped("a list of objects", where)
        objects = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                try:
                    objects.append(cls.from_wire(item))
                except ProtocolException as exc:
                    exc.field = f"{where}[{index}].{exc.field}"
                    raise
        return tuple(objects)

    return read


def _enum_reader(cls: type[StrEnum]) -> Reader:
    def read(value: Any, where: str) -> StrEnum:
        try:
            return cls(_read_str(value, where))
        except ValueError as exc:
            raise _mistyped("one of " + ", ".join(cls), where) from exc

    return read


def _write_objects(values: tuple[WireObject, ...]) -> list[dict[str, object]]:
    return [value.to_wire() for value in values]


_SIMPLE: dict[Any, tuple[Reader, Writer | None]] = {
    str: (_read_str, None),
    int: (_read_int, None),
    bool: (_read_bool, None),
    datetime: (_read_datetime, write_timestamp),
    dict[str, str]: (_read_string_map, None),
    tuple[str, ...]: (_read_string_list, list),
    dict[str, object]: (_read_free_map, None),
}


class LenientEnum(StrEnum):
    """A string enum whose unknown values read as a fallback (docs/protocol.md#reading)."""

    __fallback__: ClassVar[str]

    @classmethod
    def _missing_(cls, _value: object) -> Self:
        return cls[cls.__fallback__]

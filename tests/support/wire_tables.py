"""The tables of the wire's documents, made from the declarations."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, get_args, get_origin

import msgspec
from support.declarations import DeclaredField, every_message, fields_of
from support.declared_words import sentence_of, sentences_of, summary_of

from omnyshell.errors import ErrorCodes
from omnyshell.model import grammars
from omnyshell.model.schema import ANSWERED, Grammar, WireObject
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol import extensions
from omnyshell.protocol.messages import ControlMessage

BY_TYPE = {declared.TYPE: declared for declared in every_message()}
GRAMMARS = {name: value for name, value in vars(grammars).items() if isinstance(value, Grammar)}
_LABELS = {
    id(grammar): name.lower().replace("_or_none", " or empty").replace("_", " ") for name, grammar in GRAMMARS.items()
}
_KINDS: dict[Any, str] = {
    str: "text",
    int: "integer",
    bool: "true or false",
    datetime: "time",
    dict[str, str]: "map of texts",
    tuple[str, ...]: "list of texts",
    dict[str, object]: "map",
}
_ENUMS: dict[str, type[StrEnum]] = {"codes": ErrorCodes, "close reasons": CloseReason}

REQUEST_ID = "request_id"
"""Said once for the messages that carry it, and in no table."""

FIRST_PAGE = "protocol.md"
"""Where the objects are that a page speaks of and does not describe."""


def written(text: str) -> str:
    """Return a document with all that comes from declarations written anew.

    What does, stands between a mark that names it, such as `<!-- messages: ping pong -->`, and `<!-- end -->`.
    """
    tables = _Tables(frozenset(objects_in(text)))
    return re.sub(
        r"(<!-- (messages|objects|values|grammars|extensions|fields)(?:: (.*?))? -->\n\n).*?(<!-- end -->)",
        lambda mark: f"{mark[1]}{getattr(tables, mark[2])(mark[3])}\n{mark[4]}",
        text,
        flags=re.DOTALL,
    )


def messages_in(text: str) -> list[str]:
    """The types of the messages that a document describes, as often as it does."""
    return [name for names in re.findall(r"<!-- messages: (.*?) -->", text) for name in names.split()]


def objects_in(text: str) -> list[str]:
    """The names of the objects that a document describes, as often as it does."""
    return [name for names in re.findall(r"<!-- objects: (.*?) -->", text) for name in names.split()]


@cache
def objects() -> dict[str, type[WireObject]]:
    """The objects that stand in messages, by the names of their declarations."""
    found: dict[str, type[WireObject]] = {}
    waiting: list[type[WireObject]] = list(BY_TYPE.values())
    while waiting:
        for field in fields_of(waiting.pop()):
            kind = _object_in(field.kind)
            if kind is not None and kind.__name__ not in found:
                found[kind.__name__] = kind
                waiting.append(kind)
    return found


def _object_in(kind: Any) -> type[WireObject] | None:
    inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
    return inner if isinstance(inner, type) and issubclass(inner, WireObject) else None


def spoken(name: str) -> str:
    """Return a class's name in words: `PtySpec` -> `pty spec`."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = tuple(columns)
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


class _Tables:
    """What is written behind each kind of mark, on a page that describes these objects."""

    def __init__(self, here: frozenset[str]) -> None:
        self._here = here

    def messages(self, types: str) -> str:
        return "\n".join(self._message(BY_TYPE[name]) for name in types.split())

    def objects(self, names: str) -> str:
        return "\n".join(self._object(objects()[name]) for name in names.split())

    def values(self, name: str) -> str:
        owner = _ENUMS[name]
        return _table(("value", "what it says"), ((f"`{one}`", sentence_of(owner, one.name)) for one in owner))

    def grammars(self, _: None) -> str:
        said = sentences_of(grammars)
        plain = [name for name in GRAMMARS if not name.endswith("_OR_NONE")]
        return _table(
            ("value", "what it may be"), ((_LABELS[id(GRAMMARS[name])], said.get(name, "")) for name in plain)
        )

    def extensions(self, page: str) -> str:
        said, names = sentences_of(extensions), {name: getattr(extensions, name) for name in extension_names()}
        rows = (
            (f"[`{name}`]({page}#{name})", said.get(constant, ""), ", ".join(announcers(name)))
            for constant, name in names.items()
        )
        return _table(("extension", "what it gives", "announced by"), rows)

    def fields(self, extension: str) -> str:
        """Fields that an extension adds to messages that are described elsewhere."""
        start = f"Of `{extension}`: "
        found: dict[tuple[str, str, str], list[str]] = {}
        for declared in (*BY_TYPE.values(), *objects().values()):
            for field in fields_of(declared):
                said = sentence_of(declared, field.field.name)
                if said.startswith(start):
                    name, value, _, _ = self._row(field)
                    cells = (name, value, _capitalized(said.removeprefix(start)))
                    found.setdefault(cells, []).append(self._place(declared))
        rows = ((", ".join(places), *cells) for cells, places in found.items())
        return _table(("of", "field", "value", "what it is"), rows)

    def _place(self, declared: type[WireObject]) -> str:
        return f"`{declared.TYPE}`" if issubclass(declared, ControlMessage) else self._link(declared.__name__)

    def _message(self, declared: type[ControlMessage]) -> str:
        return f"#### `{declared.TYPE}`\n\n*{_about(declared)}.* {summary_of(declared)}\n" + self._fields(declared)

    def _object(self, declared: type[WireObject]) -> str:
        return f"#### {spoken(declared.__name__)}\n\n{summary_of(declared)}\n" + self._fields(declared)

    def _fields(self, declared: type[WireObject]) -> str:
        fields = [field for field in fields_of(declared) if field.field.name != REQUEST_ID]
        rows = [self._row(field) for field in sorted(fields, key=lambda one: not one.field.required)]
        return "\n" + _table(("field", "value", "if missing", "what it is"), rows) if rows else ""

    def _row(self, field: DeclaredField) -> tuple[str, str, str, str]:
        name = field.field.wire + "?" * field.field.omit
        return f"`{name}`", self._value(field), _default(field), sentence_of(field.owner, field.field.name)

    def _value(self, field: DeclaredField) -> str:
        found = _object_in(field.kind)
        if found is not None:
            return "list of " * (get_origin(field.kind) is tuple) + self._link(found.__name__)
        return _plain_value(field)

    def _link(self, name: str) -> str:
        words = spoken(name)
        return f"[{words}]({'' if name in self._here else FIRST_PAGE}#{words.replace(' ', '-')})"


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _about(declared: type[ControlMessage]) -> str:
    """Who sends a message to whom, and what it always carries."""
    words = [declared.WAY.shown]
    words += ["on a channel"] * declared.SCOPED
    words += ["with `requestId`"] * any(field.field.name == REQUEST_ID for field in fields_of(declared))
    needs = getattr(declared, "NEEDS", "") or declared.EXTENSION
    return ", ".join(words) + (f"; extension `{needs}`" if needs else "")


def _plain_value(field: DeclaredField) -> str:
    kind = field.kind
    if field.grammar is not None:
        return _LABELS[id(field.grammar)]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(f"`{member}`" for member in kind)
    return _KINDS[kind] + ", answered" * (ANSWERED in field.marks)


def _default(field: DeclaredField) -> str:
    default = field.field.default
    if field.field.required:
        return "**undecodable**"
    if isinstance(default, datetime):
        return "now"
    holds_nothing = default is None or (field.field.omit and not default)
    return "" if holds_nothing else f"`{json.dumps(msgspec.to_builtins(default))}`"


def announcers(extension: str) -> Iterator[str]:
    """Who announces an extension."""
    of_clients = extensions.OF_CLIENT | extensions.OF_ADMIN | extensions.OF_LIVE_FEED | extensions.OF_JOINING
    by = {"hub": extensions.OF_HUB, "node": extensions.OF_NODE, "client": of_clients}
    return (who for who, announced in by.items() if extension in announced)


def extension_names() -> Iterator[str]:
    """The constants that name extensions."""
    return (name for name, value in vars(extensions).items() if name.isupper() and isinstance(value, str))

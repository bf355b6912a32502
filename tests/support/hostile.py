"""What hostile peers send: made from the declarations of messages, so that a new message or field is attacked too."""

import copy
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import cache
from itertools import zip_longest
from typing import Any, get_args, get_origin

from support.declarations import DeclaredField, fields_of

from omnyshell.errors import ProtocolException
from omnyshell.model import grammars
from omnyshell.model.schema import WireObject

TS = "2026-01-02T03:04:05.678Z"
UUID = "0a1b2c3d-0000-4000-8000-000000000000"

CONTROLS = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0))))
INVISIBLE = "\xad\u200b\u200d\u200e\u202a\u202e\u2028\u2029\u2060\u2066\ufeff\ufff9\ue000\U000e0041\U0010ffff"
ESCAPES = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[2J\x1b[6n\x1bP+q544e\x1b\\\x9b31m\x9d0;owned\x9c"
MARKUP = "[red]owned[/red][@click=app.quit]owned[/][link='x:y']owned[/link][/nothing][ $x \\["
SHELL = "$(touch owned);`touch owned`|touch owned&&touch owned #"
TOML = '"]\nallow-command = ["*"]\n#'
FORMAT = "{0.__class__}%s%n%(x)s"

HOSTILE_TEXTS = (
    CONTROLS + INVISIBLE + ESCAPES + "owned\r\nX-Owned: 1\r\n\r\n2026-01-01 INFO owned",
    MARKUP,
    "../../../../../../tmp/owned",
    "/tmp/owned",
    "~/owned",
    "..",
    "\0\n",
    "",
    "-rf",
    SHELL + TOML + FORMAT,
    "\N{COMBINING ACUTE ACCENT}" * 500 + "漢字" * 200,
    "x" * 100_000,
)
HOSTILE_NUMBERS = (0, -1, 2**31, 2**53, 2**62, 2**63 - 1, -(2**63))
HOSTILE_TIMES = (
    "0001-01-01T00:00:00Z",
    "0002-01-01T23:59:00+23:59",
    "9998-12-31T00:00:59-23:59",
    "9999-12-31T23:59:59Z",
)
MISTYPED: tuple[Any, ...] = (None, True, 1.5, 2**64, "x", [], [[[[]]]], {}, {"x": {"x": {}}}, [None, 1, "x", [], {}])

_SAMPLES: dict[int, Any] = {
    id(grammar): value
    for grammar, value in (
        (grammars.NODE_ID, "n1"),
        (grammars.NODE_ID_OR_NONE, "n1"),
        (grammars.EXPOSER_ID, "n1"),
        (grammars.HUB_ID, "b"),
        (grammars.HUB_INVITATION_OR_NONE, "omnyhub-x"),
        (grammars.HUB_ID_OR_NONE, "b"),
        (grammars.UID, "nod_a"),
        (grammars.UID_OR_NONE, "hub_a"),
        (grammars.PRINCIPAL, "ann"),
        (grammars.PRINCIPAL_OR_NONE, "ann"),
        (grammars.LOGIN_OR_NONE, "ann"),
        (grammars.PRINCIPALS, ["bob"]),
        (grammars.ROLE, "admin"),
        (grammars.ROLES, ["admin"]),
        (grammars.LOGIN_OR_NONE, "ann"),
        (grammars.SESSION_ID, UUID),
        (grammars.SESSION_ID_OR_NONE, UUID),
        (grammars.SHORT_ID, UUID[:8]),
        (grammars.TUNNEL_ID, "t" * 43),
        (grammars.TUNNEL_ID_OR_NONE, "t" * 43),
        (grammars.ID, "c1"),
        (grammars.WORD, "open"),
        (grammars.ADDRESS, "192.0.2.7:40312"),
        (grammars.HOST, "localhost"),
        (grammars.HOST_OR_NONE, "hub.example"),
        (grammars.NONCE, "n" * 43),
        (grammars.SECRET, "s" * 43),
        (grammars.SECRET_OR_NONE, "s" * 43),
        (grammars.BASE64, "aGVsbG8NCg=="),
        (grammars.FINGERPRINT, "sha256:" + "0f" * 32),
        (grammars.FINGERPRINT_OR_NONE, "sha256:" + "0f" * 32),
        (grammars.SETTINGS, {"env": "prod"}),
        (grammars.FACT, "6.12.0"),
        (grammars.PORT, 8080),
        (grammars.COUNT, 1),
        (grammars.OFFSET, 0),
        (grammars.EPOCH, 3),
        (grammars.HUB_ID, "b"),
        (grammars.HUB_ID_OR_NONE, "b"),
        (grammars.HUB_URL, "wss://127.0.0.1:1"),
        (grammars.WEIGHT, 100),
        (grammars.CREDIT, 65_536),
        (grammars.EXIT_CODE, 0),
        (grammars.STATUS, 200),
    )
}

Path = tuple[str | int, ...]


def body(cls: type[WireObject], **fixed: Any) -> dict[str, Any]:
    """A body with every field, as an honest peer would fill it; `fixed` are values by the names on the wire."""
    return {field.field.wire: _value(field, fixed) for field in fields_of(cls)}


def _value(field: DeclaredField, fixed: dict[str, Any]) -> Any:
    if field.field.wire in fixed:
        return fixed[field.field.wire]
    if field.grammar is not None:
        return copy.copy(_SAMPLES[id(field.grammar)])
    kind = field.kind
    if get_origin(kind) is tuple and kind != tuple[str, ...]:
        return [body(get_args(kind)[0], **fixed)]
    if isinstance(kind, type) and issubclass(kind, WireObject):
        return body(kind, **fixed)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return str(field.field.default if isinstance(field.field.default, kind) else next(iter(kind)))
    plain: dict[Any, Any] = {
        str: "text",
        int: 1,
        bool: field.field.default is True,
        datetime: TS,
        dict[str, str]: {"env": "prod"},
        tuple[str, ...]: ["text"],
        dict[str, object]: {},
    }
    return plain[kind]


@cache
def leaves(cls: type[WireObject]) -> tuple[tuple[Path, DeclaredField], ...]:
    """Every field below a declaration, with its place in what `body` makes."""
    return tuple(_below(cls, ()))


def _below(cls: type[WireObject], here: Path) -> Iterator[tuple[Path, DeclaredField]]:
    for field in fields_of(cls):
        place = (*here, field.field.wire)
        yield place, field
        kind = field.kind
        if get_origin(kind) is tuple and kind != tuple[str, ...]:
            yield from _below(get_args(kind)[0], (*place, 0))
        elif isinstance(kind, type) and issubclass(kind, WireObject):
            yield from _below(kind, place)


def hostile_values(field: DeclaredField) -> Iterator[Any]:
    """What a hostile peer puts into a field: values of its type that are hostile, and values of other types."""
    kind = field.kind
    if kind is int:
        yield from HOSTILE_NUMBERS
    elif kind is datetime:
        yield from HOSTILE_TIMES
    elif kind is dict[str, str]:
        yield from ({text: text} for text in HOSTILE_TEXTS)
        yield {f"label-{number}": "x" for number in range(5_000)}
    elif kind is tuple[str, ...]:
        yield from ([text] for text in HOSTILE_TEXTS)
        yield ["x"] * 5_000
    elif kind is dict[str, object]:
        yield from ({"features": [text], "hubUid": text, text: text} for text in HOSTILE_TEXTS)
    elif kind is bool:
        yield not field.field.default
    elif kind is str or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        yield from HOSTILE_TEXTS
    yield from MISTYPED


Judged = list[tuple[Any, ProtocolException | None]]
"""What may be put into a field, and what is wrong with it."""

_JUDGED: dict[tuple[type[WireObject], str], Judged] = {}
"""By declaration and the field's name: a field is read alike in whatever message its declaration stands."""


def judged(field: DeclaredField) -> Judged:
    """All that a hostile peer puts into a field, with how our peers take an otherwise honest body that has it there."""
    key = (field.owner, field.field.wire)
    if key not in _JUDGED:
        whole = body(field.owner)
        _JUDGED[key] = [(value, _problem(field.owner, whole | {key[1]: value})) for value in hostile_values(field)]
    return _JUDGED[key]


def _problem(owner: type[WireObject], whole: dict[str, Any]) -> ProtocolException | None:
    try:
        owner.from_wire(whole)
    except ProtocolException as exc:
        return exc
    return None


def replaced(whole: Any, place: Path, value: Any) -> Any:
    """A copy of a body with another value at one place; what lies elsewhere is shared."""
    step, *further = place
    copied = whole.copy()
    copied[step] = replaced(whole[step], tuple(further), value) if further else value
    return copied


KEPT = {"request_id", "subscription_id", "id", "parts", "seq"}
"""What an answer is known by, or what says what is in it."""


def saturated(cls: type[WireObject], whole: dict[str, Any], *values: Any) -> dict[str, Any]:
    """A copy of a body with a text, number or time wherever one may stand that its field takes.

    Texts with a grammar stay: those are attacked one by one.
    """
    for value in values:
        whole = _saturated(cls, whole, value)
    return whole


def _saturated(cls: type[WireObject], whole: dict[str, Any], value: Any) -> dict[str, Any]:
    kinds = {str: (str, dict[str, str], tuple[str, ...]), int: (int,)}[type(value)]
    if value in HOSTILE_TIMES:
        kinds = (datetime,)
    for place, field in leaves(cls):
        if field.field.name in KEPT or field.kind not in kinds or not _is_taken(field, value):
            continue
        wrapped = {dict[str, str]: {value: value}, tuple[str, ...]: [value]}.get(field.kind, value)
        whole = replaced(whole, place, wrapped)
    return whole


EVERYWHERE: tuple[str | int, ...] = (*HOSTILE_TEXTS, *HOSTILE_NUMBERS, *HOSTILE_TIMES)
"""What is said wherever it may stand, one after another."""


def changing(cls: type[WireObject], *wholes: dict[str, Any]) -> Iterator[str | int]:
    """Those of `EVERYWHERE` that change one of the bodies: a message without a time is not attacked with times."""
    for value in EVERYWHERE:
        if any(saturated(cls, whole, value) != whole for whole in wholes):
            yield value


def at_once(values: Iterable[str | int]) -> Iterator[tuple[str | int, ...]]:
    """A text, a number and a time together, as each stands in other fields; until there is none left of any."""
    kinds = [[value for value in values if value in kind] for kind in (HOSTILE_TEXTS, HOSTILE_NUMBERS, HOSTILE_TIMES)]
    for together in zip_longest(*kinds):
        yield tuple(value for value in together if value is not None)


def _is_taken(field: DeclaredField, value: Any) -> bool:
    if field.grammar is None:
        return True
    return isinstance(value, int) and field.grammar is not grammars.PORT and bool(field.grammar.fits(value))


def unprintable(text: str) -> list[str]:
    """The characters of a text that a terminal would obey or hide; line ends are not among them."""
    if text.replace("\n", "").isprintable():
        # Nearly always, and megabytes of it.
        return []
    return [char for char in text if not char.isprintable() and char != "\n"]

"""The filter language of the panels, without I/O. A filter is terms that must all hold; case does not matter."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from omnyshell.tui.panels.fields import FilterField, Labels, Number, Quantity, Text

LANGUAGE = (
    ("text", "rows that have the text anywhere"),
    ('"two words"', "one text with a space in it"),
    ("state:detached", "rows whose field has this text in it"),
    ("node:web-*", "`*` and `?` stand for anything"),
    ("label:env=prod", "rows with this label; `label:env` whatever its value"),
    ("sessions:3", "rows whose number is this one"),
    ("age:>5m", "times: more than so much, in ms s m h d; likewise `<`, `>=` and `<=`"),
    ("rate:>1M", "sizes: more than so much, in B K M G"),
    ("-node:web-1", "rows for which the term does not hold"),
)
"""Terms, and what they show: for the help and the documents."""

Fields = Mapping[str, FilterField[Any]]
"""A panel's fields by name."""

Test = Callable[[Any, datetime], bool]
"""Tells whether an item satisfies a term, or a filter, at a time."""

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_UNITS: Mapping[Quantity, Mapping[str, float]] = {
    Quantity.COUNT: {},
    Quantity.TIME: {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0},
    Quantity.SIZE: {"B": 1.0, "K": 1024.0, "M": 1024.0**2, "G": 1024.0**3},
}
_EXAMPLES = {Quantity.COUNT: ">10", Quantity.TIME: ">5m", Quantity.SIZE: ">1M"}
_TERM = re.compile(r'(-?)(?:([A-Za-z][A-Za-z_]*):)?("[^"]*"?|[^\s"]\S*|)')
_NUMBER = re.compile(r"(>=|<=|>|<|)\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)")


class FilterError(ValueError):
    """An invalid term; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. Without a field, `value` is looked for in all texts."""

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        value = f'"{self.value}"' if not self.value or re.search(r"[\s:]|^-", self.value) else self.value
        return f"{'-' if self.negated else ''}{f'{self.field}:' if self.field else ''}{value}"


def parse(text: str, names: frozenset[str]) -> tuple[Term, ...]:
    """Read a filter for rows with fields of these names. Raises `FilterError`."""
    terms: list[Term] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TERM.match(text, position)
        if match is None or match.end() == position:
            raise FilterError(f"what is {text[position:].split()[0]}?")
        terms.append(_term(match, names))
        position = match.end()
    return tuple(terms)


def _term(match: re.Match[str], names: frozenset[str]) -> Term:
    minus, field, value = match.groups()
    quoted = value.startswith('"')
    if quoted and (len(value) == 1 or not value.endswith('"')):
        raise FilterError('the closing " is missing')
    value = value.strip('"') if quoted else value
    if field is not None and field.lower() not in names:
        known = ", ".join(sorted(names))
        raise FilterError(f'no field "{field}"; known: {known}. For plain text write "{field}:{value}"')
    if field is not None and not value:
        raise FilterError(f"{field}: wants a value")
    if not value and not quoted:
        raise FilterError(f"{minus or 'that'} wants a text after it")
    return Term(field.lower() if field is not None else "", value, negated=bool(minus))


def predicate(terms: tuple[Term, ...], fields: Fields) -> Test:
    """Return a test of whether an item satisfies all terms.

    Raises `FilterError` for a value that no field can have.
    """
    tests = [_test(term, fields) for term in terms]

    def holds(item: Any, now: datetime) -> bool:
        return all(test(item, now) for test in tests)

    return holds


def _test(term: Term, fields: Fields) -> Test:
    test = _field_test(term, fields[term.field]) if term.field else _anywhere(term.value.casefold(), fields)
    return (lambda item, now: not test(item, now)) if term.negated else test


def _anywhere(wanted: str, fields: Fields) -> Test:
    texts = [field for field in fields.values() if isinstance(field, Text)]
    labels = [field for field in fields.values() if isinstance(field, Labels)]

    def test(item: Any, now: datetime) -> bool:
        return any(wanted in field.read(item, now).casefold() for field in texts) or any(
            wanted in f"{key}={value}".casefold() for field in labels for key, value in field.read(item, now).items()
        )

    return test


def _field_test(term: Term, field: FilterField[Any]) -> Test:
    if isinstance(field, Number):
        return _number_test(term, field)
    if term.value[0] in "<>":
        raise FilterError(f'{term.field} is no number; for the text write "{term.value}"')
    wanted = term.value.casefold()
    if isinstance(field, Labels):
        return lambda item, now: any(
            _is_label(key.casefold(), value.casefold(), wanted) for key, value in field.read(item, now).items()
        )
    if "*" in wanted or "?" in wanted:
        return lambda item, now: fnmatchcase(field.read(item, now).casefold(), wanted)
    return lambda item, now: wanted in field.read(item, now).casefold()


def _is_label(key: str, label: str, wanted: str) -> bool:
    """A label's key must be the whole key, and its value the whole value: `env=prod` is not `env=production`."""
    wanted_key, has_value, wanted_label = wanted.partition("=")
    return fnmatchcase(key, wanted_key) and (not has_value or fnmatchcase(label, wanted_label))


def _number_test(term: Term, field: Number[Any]) -> Test:
    match = _NUMBER.fullmatch(term.value)
    if match is None:
        raise FilterError(f"{term.field}:{term.value} wants a number, as {term.field}:{_EXAMPLES[field.quantity]}")
    sign, number, unit = match.groups()
    factor = _factor(unit, field)
    holds = _compared(sign, float(number) * factor) if sign else _rounded(number, factor)

    def test(item: Any, now: datetime) -> bool:
        value = field.read(item, now)
        return value is not None and holds(value)

    return test


def _compared(sign: str, limit: float) -> Callable[[float], bool]:
    compare = _COMPARISONS[sign]
    return lambda value: compare(value, limit)


def _rounded(number: str, factor: float) -> Callable[[float], bool]:
    """A number is meant as it is shown: `5m` is anything from five minutes on that is less than six."""
    least = float(number)
    beyond = least + 10.0 ** -len(number.partition(".")[2])
    return lambda value: least <= round(value / factor, 9) < beyond


def _factor(unit: str, field: Number[Any]) -> float:
    units = {name.lower(): factor for name, factor in _UNITS[field.quantity].items()} | {"": 1.0}
    if unit.lower() not in units:
        known = " ".join(_UNITS[field.quantity]) or "none, as it is counted"
        raise FilterError(f'no unit "{unit}"; {field.name} has {known}')
    return units[unit.lower()]

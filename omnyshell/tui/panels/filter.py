"""The filter language of the panels, without I/O.

A filter is a row of terms that must all hold:

    text            the text is in one of the row's texts; "two words" is one text
    field:value     the field has the value; text is found anywhere in it, `*` and `?` stand for anything
    label:key=value, label:key
    field:>value    numbers, times and sizes: more than 10, 5m, 1M; likewise <, >= and <=
    -term           the term does not hold

Upper and lower case are the same.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

T = TypeVar("T")

Value = str | float | Mapping[str, str] | None
"""The value of a row's field: a text, a number, labels, or None."""

Fields = Mapping[str, Callable[[Any], Value]]
"""A panel's fields by name; each reads its value from a row's item."""

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SIZES = {"b": 1.0, "k": 1024.0, "mb": 1024.0**2, "g": 1024.0**3}
_TERM = re.compile(r'(-?)(?:([A-Za-z][A-Za-z_]*):)?("[^"]*"?|[^\s"]\S*|)')
_COMPARED = re.compile(r"(>=|<=|>|<)\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)")


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


def predicate(terms: tuple[Term, ...], fields: Fields) -> Callable[[Any], bool]:
    """Return a test of whether an item satisfies all terms.

    Raises `FilterError` for a value that no field can have.
    """
    tests = [_test(term, fields) for term in terms]

    def holds(item: Any) -> bool:
        return all(test(item) for test in tests)

    return holds


def _test(term: Term, fields: Fields) -> Callable[[Any], bool]:
    if not term.field:
        test = _text_test(term.value.casefold(), tuple(fields.values()))
    elif _COMPARED.match(term.value) or term.value[0] in "<>":
        test = _comparison(term, fields[term.field])
    else:
        test = _field_test(term.value.casefold(), fields[term.field])
    return (lambda item: not test(item)) if term.negated else test


def _text_test(wanted: str, readers: tuple[Callable[[Any], Value], ...]) -> Callable[[Any], bool]:
    def test(item: Any) -> bool:
        return any(wanted in text for reader in readers for text in _texts(reader(item)))

    return test


def _texts(value: Value) -> list[str]:
    if isinstance(value, str):
        return [value.casefold()]
    if isinstance(value, Mapping):
        return [f"{key}={label}".casefold() for key, label in value.items()]
    return []


def _field_test(wanted: str, reader: Callable[[Any], Value]) -> Callable[[Any], bool]:
    has_pattern = "*" in wanted or "?" in wanted

    def one(text: str) -> bool:
        return fnmatchcase(text, wanted) if has_pattern else wanted in text

    def test(item: Any) -> bool:
        value = reader(item)
        if isinstance(value, Mapping):
            return any(_label(key.casefold(), label.casefold(), wanted) for key, label in value.items())
        if isinstance(value, float | int):
            return f"{value:g}" == wanted
        return isinstance(value, str) and one(value.casefold())

    return test


def _label(key: str, label: str, wanted: str) -> bool:
    """A label's key must be the whole key, and its value the whole value: `env=prod` is not `env=production`."""
    wanted_key, has_value, wanted_label = wanted.partition("=")
    return fnmatchcase(key, wanted_key) and (not has_value or fnmatchcase(label, wanted_label))


def _comparison(term: Term, reader: Callable[[Any], Value]) -> Callable[[Any], bool]:
    match = _COMPARED.fullmatch(term.value)
    if match is None:
        raise FilterError(f"{term.field}:{term.value} wants a number, as {term.field}:>10, >5m or >1M")
    sign, number, unit = match.groups()
    factor = _factor(unit)
    if factor is None:
        raise FilterError(f'no unit "{unit}"; known: ms s m h d for times, K M G for sizes')
    compare, limit = _COMPARISONS[sign], float(number) * factor

    def test(item: Any) -> bool:
        value = reader(item)
        return isinstance(value, float | int) and compare(value, limit)

    return test


def _factor(unit: str) -> float | None:
    """Minutes are `m` and mebibytes `M`; for everything else case does not matter."""
    if unit == "M":
        return _SIZES["mb"]
    return _UNITS.get(unit.lower(), _SIZES.get(unit.lower()))

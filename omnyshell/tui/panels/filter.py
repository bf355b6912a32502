"""The filter language of the panels, without I/O. A filter is terms that must all hold; case does not matter."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from omnyshell.options.toml_values import instead_of
from omnyshell.printable import sentence
from omnyshell.tui.panels.fields import FilterField, Labels, Moment, Number, Quantity, Text
from omnyshell.tui.panels.moments import EXAMPLES, read_moment

LANGUAGE = (
    ("text", "rows that have the text anywhere"),
    ('"two words"', "one text with a space in it"),
    ("state:detached", "rows whose field has this text in it"),
    ("node:web-*", "`*` and `?` stand for anything"),
    ("owner:ann", "a column's title is as good as its field's name"),
    ("label:env=prod", "rows with this label, also without `label:`; `label:env` whatever its value"),
    ("sessions:3", "rows whose number is this one"),
    ("age:>5m", "times: more than so much, in ms s m h d; likewise `<`, `>=` and `<=`"),
    ("rate:>1M", "sizes: more than so much, in B K M G"),
    ("memory:>80%", "shares: more than so much, in %"),
    ("since:1h", "no older than that; also `14:30`, the last one there was, and `2026-03-14`, `2026-03-14T14:30`"),
    ("until:1h", "no younger than that"),
    ("-node:web-1", "rows for which the term does not hold"),
    ("@prod", "what your own filter of this name says"),
)
"""Terms, and what they show: for the help and the documents."""

Fields = Mapping[str, FilterField[Any] | Moment[Any]]
"""What terms may ask for, by name."""

Saved = Mapping[str, str]
"""Filters by the names that they were saved under."""

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
    Quantity.SHARE: {"%": 1.0},
}
_EXAMPLES = {Quantity.COUNT: ">10", Quantity.TIME: ">5m", Quantity.SIZE: ">1M", Quantity.SHARE: ">80%"}
_TERM = re.compile(r'(-?)(?:([A-Za-z][A-Za-z_]*):)?("[^"]*"?|[^\s"]\S*|)')
_NO_TEXT = re.compile(r"[\s:=]|^[-@]")
"""What makes more than a text of a value that is not in quotation marks."""

_NUMBER = re.compile(r"(>=|<=|>|<|)\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*|%)")


class FilterError(ValueError):
    """An invalid term; the text says what would be right. `before` is what comes before a term that is begun only."""

    def __init__(self, text: str, before: str | None = None) -> None:
        super().__init__(text)
        self.before = before


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. Without a field, `value` is looked for in all texts."""

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        value = f'"{self.value}"' if not self.value or _needs_quotes(self) else self.value
        return f"{'-' if self.negated else ''}{f'{self.field}:' if self.field else ''}{value}"


def _needs_quotes(term: Term) -> bool:
    if term.field:
        return term.value in _COMPARISONS or re.search(r"\s", term.value) is not None
    return _NO_TEXT.search(term.value) is not None


def vocabulary(fields: Iterable[FilterField[Any]], titles: Mapping[str, FilterField[Any]]) -> Fields:
    """Return what a filter may ask for: fields, and where no field has that name, titles, and moments.

    `titles` are those of the columns.
    """
    known: dict[str, FilterField[Any] | Moment[Any]] = {field.name: field for field in fields}
    dated = next((field for field in known.values() if isinstance(field, Number) and field.dates), None)
    for title, field in titles.items():
        known.setdefault(title.lower(), field)
    if dated is not None:
        known["since"] = Moment("since", dated.read, is_later=True)
        known["until"] = Moment("until", dated.read, is_later=False)
    return known


def parse(text: str, fields: Fields, saved: Saved = MappingProxyType({})) -> tuple[Term, ...]:
    """Read a filter for rows with these fields. Raises `FilterError`."""
    terms: list[Term] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TERM.match(text, position)
        if match is None or match.end() == position:
            raise FilterError(f"what is {text[position:].split()[0]}?")
        try:
            terms += _terms(match, fields, saved)
        except FilterError as exc:
            if exc.before is None or match.end() < len(text):
                raise FilterError(str(exc)) from exc
            raise FilterError(str(exc), text[:position]) from exc
        position = match.end()
    return tuple(terms)


def _terms(match: re.Match[str], fields: Fields, saved: Saved) -> tuple[Term, ...]:
    """The terms that a match stands for: one, or those of a saved filter."""
    minus, field, value = match.groups()
    if field is None and value.startswith("@") and len(value) > 1:
        return _saved(value[1:], fields, saved, negated=bool(minus))
    return (_term(match, fields),)


def _saved(name: str, fields: Fields, saved: Saved, *, negated: bool) -> tuple[Term, ...]:
    if name not in saved:
        advice = instead_of(name, saved) if saved else "; `:save NAME` saves the one that is set"
        unknown = sentence(f'no saved filter "{name}"{advice}')
        raise FilterError(f'{unknown} For plain text write "@{name}" in quotation marks')
    try:
        terms = parse(saved[name], fields)
    except FilterError as exc:
        raise FilterError(f"@{name} cannot be used here: {exc}") from exc
    if negated and len(terms) != 1:
        raise FilterError(f"@{name} has {len(terms)} terms: only one can be turned round")
    return tuple(replace(term, negated=not term.negated) for term in terms) if negated else terms


def _term(match: re.Match[str], fields: Fields) -> Term:
    minus, field, value = match.groups()
    quoted = value.startswith('"')
    if quoted and (len(value) == 1 or not value.endswith('"')):
        raise FilterError('the closing " is missing', "")
    value = value.strip('"') if quoted else value
    if field is not None and field.lower() not in fields:
        unknown = sentence(f'no field "{field}"{instead_of(field, fields)}')
        raise FilterError(f'{unknown} For plain text write "{field}:{value}"')
    if field is not None and (not value or (value in _COMPARISONS and not quoted)):
        raise FilterError(f"{field}: wants a value{_example(field, fields)}", "")
    if not value and not quoted:
        raise FilterError(f"{minus or 'that'} wants a text after it", "")
    if field is None and not quoted and "=" in value.lstrip("="):
        field = next((name for name, known in fields.items() if isinstance(known, Labels)), None)
    return Term(field.lower() if field is not None else "", value, negated=bool(minus))


def _example(name: str, fields: Fields) -> str:
    field = fields[name.lower()]
    if isinstance(field, Moment):
        return f", as {EXAMPLES}"
    return f", as {name}:{_EXAMPLES[field.quantity]}" if isinstance(field, Number) else ""


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
    # Under its title a field is there twice.
    once = list({id(field): field for field in fields.values()}.values())
    texts = [field for field in once if isinstance(field, Text)]
    labels = [field for field in once if isinstance(field, Labels)]

    def test(item: Any, now: datetime) -> bool:
        return any(wanted in field.read(item, now).casefold() for field in texts) or any(
            wanted in f"{key}={value}".casefold() for field in labels for key, value in field.read(item, now).items()
        )

    return test


def _field_test(term: Term, field: FilterField[Any] | Moment[Any]) -> Test:
    if isinstance(field, Moment):
        return _moment_test(term, field)
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
        return lambda item, now: _matches(field.read(item, now).casefold(), wanted)
    return lambda item, now: wanted in field.read(item, now).casefold()


def _moment_test(term: Term, field: Moment[Any]) -> Test:
    try:
        ago = read_moment(term.value)
    except ValueError as exc:
        raise FilterError(f"{term.field}:{term.value} is no time: write {EXAMPLES}") from exc

    def test(item: Any, now: datetime) -> bool:
        age = field.ago(item, now)
        return age is not None and (age <= ago(now) if field.is_later else age >= ago(now))

    return test


def _is_label(key: str, label: str, wanted: str) -> bool:
    """A label's key must be the whole key, and its value the whole value: `env=prod` is not `env=production`."""
    wanted_key, has_value, wanted_label = wanted.partition("=")
    return _matches(key, wanted_key) and (not has_value or _matches(label, wanted_label))


def _matches(text: str, pattern: str) -> bool:
    """Whether a text is what a pattern says, in which only `*` and `?` stand for anything."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


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

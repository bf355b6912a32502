"""The filter language."""

import pytest
from hypothesis import given, strategies as st

from omnyshell.tui.panels.filter import FilterError, Term, parse, predicate

FIELDS = {
    "node": lambda row: row.get("node", ""),
    "state": lambda row: row.get("state", ""),
    "label": lambda row: row.get("label", {}),
    "rate": lambda row: row.get("rate"),
    "age": lambda row: row.get("age"),
}
NAMES = frozenset(FIELDS)

WEB = {"node": "web-1", "state": "online", "label": {"env": "prod", "role": "web"}, "rate": 2048, "age": 90}
DB = {"node": "DB-1", "state": "offline", "label": {"env": "production"}, "rate": None, "age": 4000}


def shown(text: str) -> list[str]:
    holds = predicate(parse(text, NAMES), FIELDS)
    return [row["node"] for row in (WEB, DB) if holds(row)]


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("", ["web-1", "DB-1"]),
        ("  ", ["web-1", "DB-1"]),
        ("web", ["web-1"]),
        ("WEB", ["web-1"]),
        ("db", ["DB-1"]),
        ("line", ["web-1", "DB-1"]),
        ("prod", ["web-1", "DB-1"]),
        ('"role=web"', ["web-1"]),
        ("node:web", ["web-1"]),
        ("node:*-1", ["web-1", "DB-1"]),
        ("node:?b-1", ["DB-1"]),
        ("NODE:web", ["web-1"]),
        ("label:env=prod", ["web-1"]),
        ("label:env=prod*", ["web-1", "DB-1"]),
        ("label:role", ["web-1"]),
        ("label:rol", []),
        ("-node:web", ["DB-1"]),
        ("-web", ["DB-1"]),
        ("state:online label:env", ["web-1"]),
        ("state:online node:db", []),
        ("rate:>1K", ["web-1"]),
        ("rate:>=2K", ["web-1"]),
        ("rate:>2K", []),
        ("rate:<3K", ["web-1"]),
        ("age:>1h", ["DB-1"]),
        ("age:<=1.5m", ["web-1"]),
        ("rate:2048", ["web-1"]),
        ("-rate:>1K", ["DB-1"]),
    ],
)
def test_what_a_filter_shows(text: str, nodes: list[str]) -> None:
    assert shown(text) == nodes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nod:web", 'no field "nod"; known: age, label, node, rate, state'),
        ("localhost:8080", 'write "localhost:8080"'),
        ("node:", "node: wants a value"),
        ('node:""', "node: wants a value"),
        ('"open', 'the closing " is missing'),
        ("-", "wants a text"),
        ("rate:>x", "wants a number"),
        ("rate:>5parsec", 'no unit "parsec"'),
        ("rate:>", "wants a number"),
    ],
)
def test_a_bad_term_is_explained(text: str, words: str) -> None:
    with pytest.raises(FilterError) as caught:
        shown(text)
    assert words in str(caught.value)


TERMS = st.builds(
    Term,
    field=st.sampled_from(["", *sorted(NAMES)]),
    value=st.text(st.characters(exclude_characters='"', exclude_categories=["Cs"]), min_size=1, max_size=12),
    negated=st.booleans(),
)


@given(st.lists(TERMS, max_size=4))
def test_what_is_written_is_read_back(terms: list[Term]) -> None:
    assert list(parse(" ".join(map(str, terms)), NAMES)) == terms


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_a_mistake(text: str) -> None:
    try:
        holds = predicate(parse(text, NAMES), FIELDS)
    except FilterError:
        return
    assert isinstance(holds(WEB), bool)
    assert isinstance(holds(DB), bool)


@given(TERMS)
def test_a_term_and_its_negation_share_no_row(term: Term) -> None:
    opposite = Term(term.field, term.value, negated=not term.negated)
    try:
        one, other = predicate((term,), FIELDS), predicate((opposite,), FIELDS)
    except FilterError:
        return
    assert all(one(row) != other(row) for row in (WEB, DB))

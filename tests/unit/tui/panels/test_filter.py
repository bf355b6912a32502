"""The filter language."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from omnyshell.tui.panels.fields import Labels, Number, Quantity, Text
from omnyshell.tui.panels.filter import LANGUAGE, FilterError, Term, parse, predicate

FIELDS = {
    field.name: field
    for field in (
        Text("node", "", lambda row, _: row["node"]),
        Text("state", "", lambda row, _: row["state"]),
        Labels("label", "", lambda row, _: row["label"]),
        Number("rate", "", lambda row, _: row["rate"], Quantity.SIZE),
        Number("age", "", lambda row, now: (now - row["since"]).total_seconds(), Quantity.TIME),
        Number("count", "", lambda row, _: row["count"]),
    )
}
NAMES = frozenset(FIELDS)
NOW = datetime(2026, 3, 14, tzinfo=UTC)

WEB: dict = {"node": "web-1", "state": "online", "label": {"env": "prod", "role": "web"}, "rate": 2048, "count": 0}
WEB["since"] = NOW - timedelta(seconds=90)
DB: dict = {"node": "DB-1", "state": "offline", "label": {"env": "production"}, "rate": None}
DB |= {"since": NOW - timedelta(seconds=4000), "count": None}


def shown(text: str) -> list[str]:
    holds = predicate(parse(text, NAMES), FIELDS)
    return [row["node"] for row in (WEB, DB) if holds(row, NOW)]


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
        ("rate:2K", ["web-1"]),
        ("rate:>1k", ["web-1"]),
        ("age:1m", ["web-1"]),
        ("age:1.5m", ["web-1"]),
        ("age:2m", []),
        ("AGE:>1M", ["web-1", "DB-1"]),
        ("count:0", ["web-1"]),
        ("count:<=0", ["web-1"]),
        ("count:>=0", ["web-1"]),
        ("-count:0", ["DB-1"]),
        ("-rate:>1K", ["DB-1"]),
    ],
)
def test_what_a_filter_shows(text: str, nodes: list[str]) -> None:
    assert shown(text) == nodes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nod:web", 'no field "nod"; known: age, count, label, node, rate, state'),
        ("localhost:8080", 'write "localhost:8080"'),
        ("node:", "node: wants a value"),
        ('node:""', "node: wants a value"),
        ('"open', 'the closing " is missing'),
        ("-", "wants a text"),
        ("rate:>x", "wants a number"),
        ("rate:>5parsec", 'no unit "parsec"'),
        ("rate:>", "wants a number, as rate:>1M"),
        ("age:lots", "wants a number, as age:>5m"),
        ("count:*", "wants a number, as count:>10"),
        ("count:>5m", 'no unit "m"; count has none'),
        ("age:>5G", 'no unit "G"; age has ms s m h d'),
        ("rate:>5h", 'no unit "h"; rate has B K M G'),
        ("node:>5", 'node is no number; for the text write ">5"'),
        ("label:<x", "label is no number"),
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
    assert isinstance(holds(WEB, NOW), bool)
    assert isinstance(holds(DB, NOW), bool)


@given(TERMS)
def test_a_term_and_its_negation_share_no_row(term: Term) -> None:
    opposite = Term(term.field, term.value, negated=not term.negated)
    try:
        one, other = predicate((term,), FIELDS), predicate((opposite,), FIELDS)
    except FilterError:
        return
    assert all(one(row, NOW) != other(row, NOW) for row in (WEB, DB))


def test_every_term_that_the_help_names_is_one() -> None:
    names = NAMES | {"sessions"}
    for term, _ in LANGUAGE:
        assert " ".join(map(str, parse(term, names))) == term

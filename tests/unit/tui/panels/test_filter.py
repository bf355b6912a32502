"""The filter language."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.tui.panels.fields import Labels, Number, Quantity, Text
from omnyshell.tui.panels.filter import LANGUAGE, FilterError, Term, parse, predicate, vocabulary
from omnyshell.tui.panels.moments import read_moment

NODE = Text("node", "", lambda row, _: row["node"])
OWN = (
    NODE,
    Text("state", "", lambda row, _: row["state"]),
    Labels("label", "", lambda row, _: row["label"]),
    Number("rate", "", lambda row, _: row["rate"], Quantity.SIZE),
    Number("memory", "", lambda row, _: row.get("memory"), Quantity.SHARE),
    Number("age", "", lambda row, now: (now - row["since"]).total_seconds(), Quantity.TIME, dates=True),
    Number("count", "", lambda row, _: row["count"]),
)
FIELDS = vocabulary(OWN, {"WHERE": NODE, "RATE": NODE})
NAMES = [field.name for field in OWN]
SAVED = {"web": "node:web-*", "busy": "state:online rate:>1K", "wrong": "colour:red"}
NOW = datetime(2026, 3, 14, tzinfo=UTC)

WEB: dict = {
    "node": "web-1",
    "state": "online",
    "label": {"env": "prod", "role": "web"},
    "rate": 2048,
    "count": 0,
    "memory": 80.4,
}
WEB |= {"since": NOW - timedelta(seconds=90), "memory": 80.4}
DB: dict = {"node": "DB-1", "state": "offline", "label": {"env": "production"}, "rate": None}
DB |= {"since": NOW - timedelta(seconds=4000), "count": None}


def shown(text: str) -> list[str]:
    holds = predicate(parse(text, FIELDS, SAVED), FIELDS)
    return [row["node"] for row in (WEB, DB) if holds(row, NOW)]


@in_one_test(
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
        ("label:env=pr[o]d", []),
        ("node:[w]eb*", []),
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
        ("memory:>80%", ["web-1"]),
        ("memory:>80", ["web-1"]),
        ("memory:80%", ["web-1"]),
        ("memory:>=80.5%", []),
        ("-memory:>0%", ["DB-1"]),
        ("age:1m", ["web-1"]),
        ("age:1.5m", ["web-1"]),
        ("age:2m", []),
        ("AGE:>1M", ["web-1", "DB-1"]),
        ("count:0", ["web-1"]),
        ("count:<=0", ["web-1"]),
        ("count:>=0", ["web-1"]),
        ("-count:0", ["DB-1"]),
        ("-rate:>1K", ["DB-1"]),
        ("where:web", ["web-1"]),
        ("rate:2K where:*-1", ["web-1"]),
        ("env=prod", ["web-1"]),
        ("-env=prod", ["DB-1"]),
        ('"env=prod"', ["web-1", "DB-1"]),
        ("since:5m", ["web-1"]),
        ("until:5m", ["DB-1"]),
        ("since:2h until:1m", ["web-1", "DB-1"]),
        ("since:0.5d", ["web-1", "DB-1"]),
        ("since:2026-03-13T23:58+00:00", ["web-1"]),
        ("until:2026-03-13T23:58+00:00", ["DB-1"]),
        ("@web", ["web-1"]),
        ("-@web", ["DB-1"]),
        ("@busy node:db", []),
        ("@busy node:web", ["web-1"]),
        ('"@web"', []),
    ],
)
def test_what_a_filter_shows(text: str, nodes: list[str]) -> None:
    assert shown(text) == nodes


@in_one_test(
    ("text", "words"),
    [
        ("nod:web", "no field \"nod\"; did you mean 'node'?"),
        (
            "colour:red",
            'no field "colour"; known are age, count, label, memory, node, rate, since, state, until,',
        ),
        ("since:", "since: wants a value, as 90s, 5m"),
        ("since:yesterday", "since:yesterday is no time: write 90s"),
        ("since:25:00", "is no time"),
        ("until:>5m", "is no time"),
        ("@wep", "no saved filter \"wep\"; did you mean 'web'?"),
        ("@wrong", '@wrong cannot be used here: no field "colour"'),
        ("-@busy", "@busy has 2 terms"),
        ("localhost:8080", 'write "localhost:8080"'),
        ("node:", "node: wants a value"),
        ('node:""', "node: wants a value"),
        ('"open', 'the closing " is missing'),
        ("-", "wants a text"),
        ("rate:>x", "wants a number"),
        ("rate:>5parsec", 'no unit "parsec"'),
        ("rate:>", "wants a value, as rate:>1M"),
        ("age:lots", "wants a number, as age:>5m"),
        ("count:*", "wants a number, as count:>10"),
        ("count:>5m", 'no unit "m"; count has none'),
        ("age:>5G", 'no unit "G"; age has ms s m h d'),
        ("memory:>1K", 'no unit "K"; memory has %'),
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
    assert list(parse(" ".join(map(str, terms)), FIELDS)) == terms


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_a_mistake(text: str) -> None:
    try:
        holds = predicate(parse(text, FIELDS, SAVED), FIELDS)
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
    names = {"sessions": Number("sessions", "", lambda row, _: row["count"]), "owner": NODE}
    for term, _ in LANGUAGE:
        read = parse(term, {**FIELDS, **names}, {"prod": "env=prod"})
        assert " ".join(map(str, read)) == ("label:env=prod" if term == "@prod" else term)


@in_one_test("text", ["state:", "web -", 'x "open', "rate:>1K age:>", "since:"])
def test_a_term_that_is_only_begun_is_told_from_a_wrong_one(text: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, FIELDS)
    assert caught.value.before is not None
    assert text.startswith(caught.value.before)
    assert isinstance(parse(caught.value.before, FIELDS), tuple)
    for wrong in (f"{text} x", "nod:web", "nod:web state:"):
        if '"' not in wrong:
            with pytest.raises(FilterError) as caught:
                parse(wrong, FIELDS)
            assert caught.value.before is None


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_since_and_until_part_the_rows_at_a_moment(age: int, asked: int) -> None:
    row = {**WEB, "since": NOW - timedelta(seconds=age)}
    since, until = (predicate(parse(f"{word}:{asked}s", FIELDS), FIELDS)(row, NOW) for word in ("since", "until"))
    assert (since, until) == (age <= asked, age >= asked)


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_time_of_day_is_the_last_one_there_was(hour: int, minute: int) -> None:
    ago = read_moment(f"{hour}:{minute:02}")(NOW)
    assert 0 <= ago < 90_000
    then = (NOW - timedelta(seconds=ago)).astimezone()
    assert (then.hour, then.minute) == (hour, minute)

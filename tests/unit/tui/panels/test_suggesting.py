"""What a filter that is being typed may become."""

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test
from support.panels import PANELS, rows

from omnyshell.tui.panels.filter import FilterError

SAVED = {"prod": "env=prod"}


def offered(text: str, name: str = "Nodes") -> list[str]:
    start, found = rows(name).suggest(text, SAVED)
    return [text[:start] + one.text for one in found]


@in_one_test(
    ("text", "some"),
    [
        ("", ["state:", "node:", "since:", "@prod"]),
        ("la", ["label:", "latency:", "labels:"]),
        ("web -no", ["web -node:"]),
        ("@", ["@prod"]),
        ("node:web", ["node:web-1", "node:web-2", "node:web-10"]),
        ("NODE:DB", ["NODE:db-1"]),
        ("label:env=", ["label:env=dev", "label:env=prod"]),
        ("since:", ["since:5m", "since:1h"]),
        ("latency:", ["latency:<", "latency:>"]),
        ("since:1h sta", ["since:1h state:"]),
    ],
)
def test_what_begins_as_typed_is_offered(text: str, some: list[str]) -> None:
    found = offered(text)
    assert set(some) <= set(found)
    assert len(found) == len(set(found))


def test_a_value_with_a_space_is_in_quotation_marks() -> None:
    assert 'command:"vim deploy.yaml"' in offered("command:v", "Sessions")
    assert 'command:"vim deploy.yaml"' in offered('command:"vim d', "Sessions")


@pytest.mark.parametrize("text", ["colour:", "web ", "nothing"])
def test_where_nothing_is_known_nothing_begins_so(text: str) -> None:
    assert text == "web " or offered(text) == []


@given(st.text(max_size=20), st.sampled_from(list(PANELS)))
def test_what_is_offered_goes_on_with_what_is_typed_and_is_a_filter(text: str, name: str) -> None:
    for found in offered(text, name)[:30]:
        assert found.casefold().replace('"', "").startswith(text.casefold().replace('"', "")[: len(found) - 1])


@in_one_test("name", PANELS)
def test_what_is_offered_at_first_is_a_filter_or_the_beginning_of_one(name: str) -> None:
    for found in offered("", name):
        if found == "@prod":
            continue
        with pytest.raises(FilterError) as caught:
            rows(name).filter(found, SAVED)
        assert caught.value.before is not None
